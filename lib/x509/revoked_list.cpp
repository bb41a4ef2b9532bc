#include "x509/revoked_list.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/text.hpp"
#include "x509/asn1.hpp"
#include "x509/crl_object.hpp"

namespace pgcertd::x509 {
namespace {

// removeFromCRL belongs to deltas only, and "unspecified" should be left out.
constexpr std::array<std::pair<std::string_view, int>, 8> reasons{{
    {"keyCompromise", 1},
    {"cACompromise", 2},
    {"affiliationChanged", 3},
    {"superseded", 4},
    {"cessationOfOperation", 5},
    {"certificateHold", 6},
    {"privilegeWithdrawn", 9},
    {"aACompromise", 10},
}};

// crlEntryExtensions with a reasonCode, up to the code itself.
constexpr std::string_view reason_extension("\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01", 13);

Result<std::string> serial_of(std::string_view hex) {
  if (auto usual = usual_serial_octets(hex); !usual.empty()) return usual;
  PGCERTD_TRY(const Asn1IntegerPtr serial, integer_from_hex(hex));
  return serial_octets(serial.get());
}

}  // namespace

Result<int> reason_code(std::string_view text) {
  std::string known = "unspecified";
  for (const auto& [name, code] : reasons) {
    if (name == text) return code;
    known += fmt::format(", {}", name);
  }
  return fail(Errc::invalid, fmt::format("\"{}\" is no reason for a revocation", printable(text, 60)), "one of: " + known);
}

std::string reason_name(int code) {
  for (const auto& [name, number] : reasons)
    if (number == code) return std::string(name);
  return {};
}

Result<void> RevokedList::add(const RevokedEntry& entry) {
  PGCERTD_TRY(std::string serial, serial_of(entry.serial));
  if (time_.empty() || entry.revoked_at != time_at_) {   // many were revoked at one moment
    PGCERTD_TRY(time_, time_der(entry.revoked_at));
    time_at_ = entry.revoked_at;
  }
  std::string extensions;
  if (!entry.reason.empty() && entry.reason != "unspecified") {
    PGCERTD_TRY(const int code, reason_code(entry.reason));
    (extensions = reason_extension) += static_cast<char>(code);
  }
  const std::string head = der::header(der::integer, serial.size());
  der_ += der::header(der::sequence, head.size() + serial.size() + time_.size() + extensions.size());
  der_ += head;
  der_ += serial;
  der_ += time_;
  der_ += extensions;
  sorted_ = sorted_ && (size_ == 0 || serial_less(last_serial_, serial));
  last_serial_ = std::move(serial);
  ++size_;
  return {};
}

std::string RevokedList::take() {
  RevokedList taken = std::exchange(*this, {});
  if (taken.sorted_) return std::move(taken.der_);
  const auto index = SerialIndex::of(taken.der_);
  return index ? index->in_order() : std::string{};   // it can read what add() wrote
}

}  // namespace pgcertd::x509
