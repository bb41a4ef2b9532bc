// Any bytes as a request on the control socket: an order within its bounds, or a refusal that is JSON.
//   VERB, a line end, and the body
#include <nlohmann/json.hpp>

#include "fuzz.hpp"
#include "pgcertd/control_command.hpp"

using namespace pgcertd;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto body = fuzz::text_of(data, size);
  const std::string verb(fuzz::take_until(body, '\n'));
  const auto parsed = daemon::parse_order(verb, std::string(body), 1000);
  if (const auto* refusal = std::get_if<http::ControlReply>(&parsed)) {
    require(refusal->status >= 400 && nlohmann::json::parse(refusal->body).at("status") == refusal->status);
  } else {
    const auto& order = std::get<daemon::Order>(parsed);
    require(order.command.uid == 1000 && order.command.reason.size() <= 512);
    require(order.command.kind != engine::Command::Kind::pause || order.command.pause_for > Duration{0});
  }
  if (const auto asked = daemon::parse_path("/v1/clusters/" + verb)) require(asked->cluster + "/" + asked->verb == verb);
  return 0;
}
