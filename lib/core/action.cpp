// Actions in words: for --dry-run, the events and the status.
#include <fmt/format.h>

#include "base/text.hpp"
#include "core/plan.hpp"

namespace pgcertd {
namespace {

template <class... Ts>
struct Overload : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overload(Ts...) -> Overload<Ts...>;

std::string short_id(const std::string& hex) { return hex.substr(0, 16); }

std::string describe_change(const action::ChangeSettings& a) {
  std::string out = "set";
  for (const auto& [setting, value] : a.change.values) out += value ? fmt::format(" {} = '{}'", setting, *value) : fmt::format(" {} back", setting);
  return out + " and reload";
}

}  // namespace

std::string_view name(const Action& action) noexcept {
  return std::visit(Overload{
                        [](const action::MakeRequest&) { return "make-request"; },
                        [](const action::Submit&) { return "submit"; },
                        [](const action::DropPending&) { return "drop-request"; },
                        [](const action::Stage&) { return "stage"; },
                        [](const action::Adopt&) { return "adopt"; },
                        [](const action::Refuse&) { return "refuse"; },
                        [](const action::Publish&) { return "publish"; },
                        [](const action::ChangeSettings&) { return "change-settings"; },
                        [](const action::LinkLive&) { return "link"; },
                        [](const action::Reload&) { return "reload"; },
                        [](const action::MarkProved&) { return "mark-proved"; },
                        [](const action::RollBack&) { return "roll-back"; },
                        [](const action::PutBack&) { return "put-back"; },
                        [](const action::Refresh&) { return "refresh-crls"; },
                        [](const action::RepairFile&) { return "repair-file"; },
                        [](const action::Collect&) { return "collect"; },
                        [](const action::Restart&) { return "restart"; },
                        [](const action::NoteRestart&) { return "note-restart"; },
                    },
                    action);
}

std::string describe(const Action& action) {
  return std::visit(
      Overload{
          [](const action::MakeRequest& a) { return fmt::format("make a new {} key and a request", to_string(a.key_type)); },
          [](const action::Submit& a) { return fmt::format("hand request {} to the issuer", short_id(a.spki_sha256)); },
          [](const action::DropPending& a) { return fmt::format("drop request {}: {}", short_id(a.spki_sha256), printable(a.reason)); },
          [](const action::Stage& a) { return fmt::format("write a new generation with the certificate for {}", short_id(a.spki_sha256)); },
          [](const action::Adopt&) { return std::string{"copy the live pair into a generation"}; },
          [](const action::Refuse& a) { return fmt::format("refuse generation {}: {}", a.generation, printable(a.reason)); },
          [](const action::Publish& a) { return fmt::format("publish generation {}", a.generation); },
          [](const action::ChangeSettings& a) { return describe_change(a); },
          [](const action::LinkLive& a) { return fmt::format("make {} a link to the current {}", printable(a.path), file_name(a.role)); },
          [](const action::Reload&) { return std::string{"reload PostgreSQL and look at what it serves"}; },
          [](const action::MarkProved& a) { return fmt::format("record generation {} as proved", a.generation); },
          [](const action::RollBack& a) {
            return a.to.empty() ? std::string{"go back to the former ssl settings"} : fmt::format("roll back to the pair of generation {}", a.to);
          },
          [](const action::PutBack& a) { return fmt::format("write the pair of generation {} as a new one", a.from); },
          [](const action::Refresh& a) { return "write a generation of the live pair with the newest CRLs: " + a.why; },
          [](const action::RepairFile& a) { return fmt::format("repair owner and mode of {}", file_name(a.role)); },
          [](const action::Collect& a) { return fmt::format("wipe and remove {} old generation(s)", a.generations.size()); },
          [](const action::Restart& a) { return "restart PostgreSQL by " + a.method; },
          [](const action::NoteRestart& a) { return std::string{a.applied ? "record that the restart was proved" : "forget the restart that was asked for"}; },
      },
      action);
}

Track track(const Action& action) noexcept {
  if (std::holds_alternative<action::ChangeSettings>(action) || std::holds_alternative<action::LinkLive>(action)) return Track::settings;
  if (std::holds_alternative<action::RepairFile>(action) || std::holds_alternative<action::Collect>(action)) return Track::files;
  return std::holds_alternative<action::Refresh>(action) ? Track::trust : Track::leaf;
}

}  // namespace pgcertd
