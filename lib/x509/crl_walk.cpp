#include "x509/crl_walk.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace pgcertd::x509 {
namespace {

constexpr std::string_view crl_reason("\x55\x1d\x15", 3);          // 2.5.29.21
constexpr std::string_view certificate_issuer("\x55\x1d\x1d", 3);  // 2.5.29.29

using der::octet;

bool is_time(const DerReader& reader) { return reader.at(der::utc_time) || reader.at(der::generalized_time); }

// The first nine bits may not all be alike (X.690 8.3.2).
bool is_integer(std::string_view content) {
  if (content.empty()) return false;
  if (content.size() == 1) return true;
  const bool next_negative = octet(content, 1) >= 0x80;
  return !(octet(content, 0) == 0x00 && !next_negative) && !(octet(content, 0) == 0xff && next_negative);
}

// Base-128 numbers in their shortest form, the last one whole.
bool is_object_id(std::string_view content) {
  bool begins = true;
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (begins && octet(content, i) == 0x80) return false;
    begins = octet(content, i) < 0x80;
  }
  return !content.empty() && begins;
}

struct Extension {
  std::string_view id, value;
  bool critical = false;
};

std::optional<Extension> read_extension(const DerElement& element) {
  if (element.tag != der::sequence) return std::nullopt;
  DerReader reader(element.content);
  const auto id = reader.next(der::object_id);
  if (!id || !is_object_id(id->content)) return std::nullopt;
  Extension out{id->content, {}, false};
  if (reader.at(der::boolean)) {
    const auto critical = reader.next();
    if (!critical || critical->content.size() != 1) return std::nullopt;
    out.critical = octet(critical->content, 0) != 0;
  }
  const auto value = reader.next(der::octet_string);
  if (!value || !reader.at_end()) return std::nullopt;
  out.value = value->content;
  return out;
}

bool read_reason(CrlEntry& entry, std::string_view value) {
  DerReader reader(value);
  const auto code = reader.next(der::enumerated);
  // A second one makes OpenSSL doubt the whole CRL.
  if (!code || !reader.at_end() || entry.reason >= 0 || code->content.size() != 1 || octet(code->content, 0) >= 0x80) return false;
  entry.reason = octet(code->content, 0);
  return true;
}

bool read_extensions(CrlEntry& entry, std::string_view content) {
  for (DerReader reader(content); !reader.at_end();) {
    const auto element = reader.next();
    const auto extension = element ? read_extension(*element) : std::nullopt;
    if (!extension || extension->id == certificate_issuer) return false;
    if (extension->critical) entry.unknown_critical = true;
    if (extension->id == crl_reason && !read_reason(entry, extension->value)) return false;
  }
  return true;
}

// Never in another order than serial_less: the length, then the first octets.
std::uint64_t sort_key(std::string_view serial) {
  std::uint64_t key = std::min<std::size_t>(serial.size(), 0xff);
  for (std::size_t i = 0; i < 7; ++i) key = key << 8 | (i < serial.size() && serial.size() < 0xff ? octet(serial, i) : 0U);
  return key;
}

// What most entries are, seen at once: a serial of at most 100 octets, a UTCTime of seconds, and no more.
std::optional<CrlEntry> usual_entry(std::string_view rest) {
  constexpr std::size_t time_size = 15;
  if (rest.size() < 4 + time_size || octet(rest, 0) != der::sequence || octet(rest, 2) != der::integer || octet(rest, 3) > 100) return std::nullopt;
  const std::size_t serial = octet(rest, 3), size = 2 + serial + time_size;
  if (octet(rest, 1) != size || rest.size() < 2 + size || octet(rest, 4 + serial) != der::utc_time || octet(rest, 5 + serial) != time_size - 2) return std::nullopt;
  if (!is_integer(rest.substr(4, serial))) return std::nullopt;
  return CrlEntry{rest.substr(0, 2 + size), rest.substr(4, serial), rest.substr(4 + serial, time_size)};
}

std::optional<CrlEntry> first_entry(std::string_view rest) {
  if (auto usual = usual_entry(rest)) return usual;
  const auto element = DerReader(rest).next();
  return element ? read_entry(*element) : std::nullopt;
}

// All parts are views into one string, one after the other.
std::string_view between(std::string_view outer, const char* begin, const char* end) {
  return outer.substr(static_cast<std::size_t>(begin - outer.data()), static_cast<std::size_t>(end - begin));
}

bool skip(DerReader& reader, std::uint8_t tag) { return reader.next(tag).has_value(); }

bool split_tbs(std::string_view content, CrlParts& out) {
  DerReader reader(content);
  if (reader.at(der::integer) && !reader.next()) return false;
  if (!skip(reader, der::sequence)) return false;      // signature
  if (!skip(reader, der::sequence)) return false;      // issuer
  if (!is_time(reader)) return false;
  auto last = reader.next();
  if (last && is_time(reader)) last = reader.next();
  if (!last) return false;
  const char* const head_end = last->whole.data() + last->whole.size();
  const char* tail_begin = head_end;
  if (reader.at(der::sequence)) {
    const auto revoked = reader.next();
    if (!revoked) return false;
    out.entries = revoked->content;
    tail_begin = revoked->whole.data() + revoked->whole.size();
  }
  if (!reader.at_end() && !skip(reader, der::context_0)) return false;
  out.before = between(content, content.data(), head_end);
  out.after = between(content, tail_begin, content.data() + content.size());
  return reader.at_end();
}

}  // namespace

std::optional<CrlParts> split_crl(std::string_view der) {
  DerReader outer(der);
  const auto list = outer.next(der::sequence);
  if (!list || !outer.at_end() || der.size() > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  DerReader reader(list->content);
  const auto tbs = reader.next(der::sequence);
  const auto algorithm = reader.next(der::sequence);
  const auto signature = reader.next(der::bit_string);
  // The first octet counts the bits that are not used; no signature has any.
  if (!tbs || !algorithm || !signature || !reader.at_end() || signature->content.empty() || octet(signature->content, 0) != 0) return std::nullopt;
  CrlParts out;
  if (!split_tbs(tbs->content, out)) return std::nullopt;
  out.tbs = tbs->whole, out.algorithm = algorithm->whole, out.signature = signature->content.substr(1);
  return out;
}

std::string assemble_tbs(const CrlParts& parts, std::string_view entries) {
  const std::string list = entries.empty() ? std::string() : der::header(der::sequence, entries.size());
  const std::size_t size = parts.before.size() + list.size() + entries.size() + parts.after.size();
  std::string out;
  out.reserve(size + 8);
  out += der::header(der::sequence, size);
  out += parts.before;
  out += list;
  out += entries;
  out += parts.after;   // not in the return: it would be a copy that is returned
  return out;
}

std::string assemble_crl(std::string_view tbs, std::string_view algorithm, std::string_view signature) {
  const std::string bits = der::header(der::bit_string, signature.size() + 1);
  const std::size_t size = tbs.size() + algorithm.size() + bits.size() + 1 + signature.size();
  std::string out;
  out.reserve(size + 8);
  out += der::header(der::sequence, size);
  out += tbs;
  out += algorithm;
  out += bits;
  out += '\0';
  out += signature;
  return out;
}

std::optional<CrlEntry> read_entry(const DerElement& element) {
  if (element.tag != der::sequence) return std::nullopt;
  DerReader reader(element.content);
  const auto serial = reader.next(der::integer);
  if (!serial || !is_integer(serial->content) || !is_time(reader)) return std::nullopt;
  const auto time = reader.next();
  if (!time) return std::nullopt;
  CrlEntry out{element.whole, serial->content, time->whole};
  if (reader.at_end()) return out;
  const auto extensions = reader.next(der::sequence);
  if (!extensions || !reader.at_end() || !read_extensions(out, extensions->content)) return std::nullopt;
  return out;
}

std::optional<SerialIndex> SerialIndex::of(std::string_view entries) {
  SerialIndex out;
  out.entries_ = entries;
  bool sorted = true;
  std::string_view last;
  for (std::string_view rest = entries; !rest.empty();) {
    const auto entry = first_entry(rest);
    if (!entry) return std::nullopt;
    rest.remove_prefix(entry->whole.size());
    if (entry->unknown_critical && out.unknown_critical_.empty()) out.unknown_critical_ = entry->whole;
    sorted = sorted && !serial_less(entry->serial, last);
    last = entry->serial;
    // About what an entry with a serial of 20 octets takes; a good guess at once is cheaper than growing by steps.
    if (out.offsets_.empty()) out.offsets_.reserve(entries.size() / entry->whole.size() + 1);
    out.offsets_.push_back(static_cast<std::uint32_t>(entry->whole.data() - entries.data()));
  }
  if (!sorted) out.sort();
  return out;
}

// By length and the first octets where those tell, so that a million entries are not looked up again and again.
void SerialIndex::sort() {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> keyed;
  keyed.reserve(offsets_.size());
  for (const std::uint32_t offset : offsets_) keyed.emplace_back(sort_key(serial_at(offset)), offset);
  std::ranges::sort(keyed, [this](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first < b.first;
    const std::string_view left = serial_at(a.second), right = serial_at(b.second);
    return left == right ? a.second < b.second : serial_less(left, right);
  });
  std::ranges::transform(keyed, offsets_.begin(), &std::pair<std::uint64_t, std::uint32_t>::second);
}

// Of what was read before, when the index was made: the serial stands first, after two headers.
std::string_view SerialIndex::serial_at(std::uint32_t offset) const {
  const auto skip_header = [this](std::size_t at) { return at + 2 + (octet(entries_, at + 1) < 0x80 ? 0U : octet(entries_, at + 1) & 0x7fU); };
  const std::size_t serial = skip_header(offset);
  return DerReader(entries_.substr(serial)).next().value_or(DerElement{}).content;
}

// It was read before, when the index was made.
CrlEntry SerialIndex::at(std::uint32_t offset) const { return read_entry(DerReader(entries_.substr(offset)).next().value_or(DerElement{})).value_or(CrlEntry{}); }

std::string SerialIndex::in_order() const {
  std::string out;
  out.reserve(entries_.size());
  std::string_view last;
  for (const std::uint32_t offset : offsets_) {
    const CrlEntry entry = at(offset);
    if (entry.serial != last) out += entry.whole;
    last = entry.serial;
  }
  return out;
}

std::optional<CrlEntry> SerialIndex::find(std::string_view serial) const {
  const auto found = std::ranges::lower_bound(offsets_, serial, serial_less, [this](std::uint32_t offset) { return serial_at(offset); });
  if (found == offsets_.end()) return std::nullopt;
  const CrlEntry entry = at(*found);
  return entry.serial == serial ? std::optional(entry) : std::nullopt;
}

}  // namespace pgcertd::x509
