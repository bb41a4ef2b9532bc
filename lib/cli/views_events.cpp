#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/json_fields.hpp"
#include "cli/layout.hpp"
#include "cli/moments.hpp"
#include "cli/views.hpp"

namespace pgcertd::cli {
namespace {

using nlohmann::json;

Tone kind_tone(std::string_view kind) {
  if (kind.ends_with("-proved")) return Tone::good;
  if (kind.ends_with("-failed") || kind.ends_with("rolled-back")) return Tone::critical;
  return Tone::plain;
}

}  // namespace

std::string event_line(const json& event, TimePoint now, const Style& style) {
  const std::string kind = printable(text_at(event, "kind"), 40);
  const std::string cluster = printable(text_at(event, "cluster"), 63);
  return fmt::format("{} {}{}{}\n", style.paint(Tone::faint, printable(moment_at(event, "at", now))),
                     cluster.empty() ? "" : cluster + ": ", style.paint(kind_tone(kind), kind),
                     " " + with_relative_times(printable(text_at(event, "message"), 1000), now));
}

std::string chain_view(const json& reply) {
  const json& head = at(reply, "head");
  const json& checkpoint = at(reply, "checkpoint");
  const std::string fault = text_at(reply, "fault");
  std::string out;
  if (at(reply, "ok") != true) out += paragraph("The chain of events is broken: " + printable(fault, 300) + ".", 0);
  else out += paragraph(fmt::format("The chain holds: {} event(s) about keys, certificates and CRLs.", text_at(reply, "chained")), 0);
  if (checkpoint.is_object()) out += paragraph(fmt::format("Those up to event {} were pruned; a checkpoint stands for them.", text_at(checkpoint, "id")), 0);
  if (head.is_object()) out += fmt::format("head: event {}\n{}\n", text_at(head, "id"), printable(text_at(head, "hash"), 64));
  if (at(reply, "holds") == false) out += paragraph("The hash that was asked for is NOT part of it: events were cut off, or it is older than the checkpoint.", 0);
  if (at(reply, "holds") == true) out += "The hash that was asked for is part of it.\n";
  return out;
}

std::string plan_view(const json& reply, TimePoint now, const Style& style) {
  const json& plan = at(reply, "plan");
  std::string out = with_relative_times(printable(text_at(reply, "message"), 1000), now) + "\n";
  const auto row = [&](std::string_view name, const std::string& value) {
    if (!value.empty() && value != "-") out += style.paint(Tone::faint, name) + paragraph(with_relative_times(printable(value, 1000), now), 2);
  };
  row("need:  ", text_at(plan, "need"));
  row("stage: ", text_at(plan, "stage"));
  const json& action = at(plan, "action");
  row("action:", action.is_object() ? text_at(action, "description") : text_of(action));
  for (const json& reason : array_at(plan, "reasons")) row("why:   ", text_of(reason));
  row("next:  ", moment_at(plan, "wake_at", now));
  return out;
}

}  // namespace pgcertd::cli
