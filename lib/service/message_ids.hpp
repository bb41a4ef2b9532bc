// One MESSAGE_ID for each kind of event, for `journalctl MESSAGE_ID=…` and the journal's catalog. Never changed, only added to.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace pgcertd::service {

struct MessageRow {
  std::string_view event;             // LogRecord::event
  std::string_view id;                // 32 hex digits
  std::string_view text;              // what it means, one line
};
std::span<const MessageRow> message_table() noexcept;
const MessageRow* message_row(std::string_view event) noexcept;     // nullptr: no such kind
// As journalctl --update-catalog reads it.
std::string journal_catalog();

}  // namespace pgcertd::service
