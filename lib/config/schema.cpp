#include "config/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <utility>

#include "base/text.hpp"
#include "config/conninfo.hpp"
#include "config/cross_checks.hpp"
#include "config/values.hpp"

namespace pgcertd::config {
namespace {

using std::chrono::days;
using std::chrono::seconds;

// A hundred years: more would run over the end of what time points can hold somewhere.
constexpr Duration longest = days{36525};

// ---- words of enumerations

template <class E>
using Words = std::span<const std::pair<E, std::string_view>>;
template <class E>
struct WordsOf;
#define PGCERTD_WORDS(Enum, count, ...)                                                          \
  template <>                                                                                    \
  struct WordsOf<Enum> {                                                                         \
    static constexpr std::array<std::pair<Enum, std::string_view>, count> value{{__VA_ARGS__}}; \
  }
PGCERTD_WORDS(IssuerType, 3, {IssuerType::local, "local"}, {IssuerType::offline, "offline"},
              {IssuerType::self_signed, "self-signed"});
PGCERTD_WORDS(TakeoverPolicy, 2, {TakeoverPolicy::ask, "ask"}, {TakeoverPolicy::always, "always"});
PGCERTD_WORDS(Layout, 2, {Layout::managed, "managed"}, {Layout::in_place, "in-place"});
PGCERTD_WORDS(ClientCaPolicy, 3, {ClientCaPolicy::automatic, "auto"}, {ClientCaPolicy::merge, "merge"},
              {ClientCaPolicy::off, "off"});
PGCERTD_WORDS(ForeignChangePolicy, 2, {ForeignChangePolicy::report, "report"}, {ForeignChangePolicy::replace, "replace"});
PGCERTD_WORDS(ReloadGuard, 3, {ReloadGuard::report, "report"}, {ReloadGuard::wait, "wait"}, {ReloadGuard::off, "off"});
PGCERTD_WORDS(RestartPolicy, 3, {RestartPolicy::never, "never"}, {RestartPolicy::when_required, "when-required"},
              {RestartPolicy::window, "window"});
PGCERTD_WORDS(KeyType, 6, {KeyType::ecdsa_p256, "ecdsa-p256"}, {KeyType::ecdsa_p384, "ecdsa-p384"}, {KeyType::rsa_2048, "rsa-2048"},
              {KeyType::rsa_3072, "rsa-3072"}, {KeyType::rsa_4096, "rsa-4096"}, {KeyType::ed25519, "ed25519"});
#undef PGCERTD_WORDS

template <class E>
Result<E> word(const std::string& text) {
  std::vector<std::string> all;
  for (const auto& [value, name] : WordsOf<E>::value) {
    if (name == text) return value;
    all.emplace_back(name);
  }
  return fail(Errc::invalid, fmt::format("\"{}\" is none of {}", printable(text, 60), fmt::join(all, ", ")),
              fmt::format("the nearest one is \"{}\"", nearest(text, all)));
}

// ---- values in TOML

std::string in_toml(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else out += c;
  }
  return out + "\"";
}
std::string in_toml(bool flag) { return flag ? "true" : "false"; }
std::string in_toml(std::uint64_t number) { return std::to_string(number); }
std::string in_toml(double number) { return fmt::format("{}", number); }
std::string in_toml(Duration duration) { return in_toml(to_text(duration)); }
std::string in_toml(const std::vector<std::string>& list) {
  std::vector<std::string> items;
  for (const auto& item : list) items.push_back(in_toml(item));
  return fmt::format("[{}]", fmt::join(items, ", "));
}
std::string in_toml(const Names& names) {
  return in_toml(all_names(names));
}
template <class T>
  requires requires(const T& value) { { text_of(value) } -> std::same_as<std::string>; }
std::string in_toml(const T& value) {
  return in_toml(text_of(value));
}
template <class E>
  requires std::is_enum_v<E>
std::string in_toml(E value) {
  for (const auto& [known, name] : WordsOf<E>::value)
    if (known == value) return in_toml(std::string(name));
  return in_toml(std::string{});
}

// ---- rows

template <auto Member>
struct Owned;
template <class O, class T, T O::*Member>
struct Owned<Member> {
  using Owner = O;
  using Type = T;
};
template <auto Member>
using OwnerOf = typename Owned<Member>::Owner;

template <auto Member>
std::string print(const OwnerOf<Member>& owner) {
  return in_toml(owner.*Member);
}

// The text of a string in which no control character stands; an issue and nothing otherwise.
const std::string* plain_text(const Field& field) {
  if (!field.is(Node::Kind::string)) return nullptr;
  if (std::ranges::any_of(field.node.text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; })) {
    field.reject("a control character stands in it", "remove it");
    return nullptr;
  }
  return &field.node.text;
}

template <auto Parse>
auto or_empty(const std::string& text) -> decltype(Parse(text)) {
  if (text.empty()) return typename decltype(Parse(text))::value_type{};
  return Parse(text);
}

template <auto Member, auto Parse>
constexpr Row<OwnerOf<Member>> text(std::string_view key) {
  return {key, [](const Field& field, OwnerOf<Member>& owner) {
            const std::string* value = plain_text(field);
            if (value == nullptr) return;
            if (auto parsed = Parse(*value)) owner.*Member = std::move(*parsed);
            else field.reject(parsed.error());
          }, print<Member>};
}

// Calls `take` with the text of each element of an array.
template <class Take>
void each_text(const Field& field, Take take) {
  if (!field.is(Node::Kind::array)) return;
  for (std::size_t i = 0; i < field.node.elements.size(); ++i) {
    const Field element{.node = field.node.elements[i], .key = fmt::format("{}[{}]", field.key, i), .issues = field.issues};
    if (const std::string* value = plain_text(element)) take(element, *value);
  }
}

enum class Filled : std::uint8_t { may_be_empty, never_empty };

template <auto Member, auto Parse, Filled filled = Filled::may_be_empty>
constexpr Row<OwnerOf<Member>> texts(std::string_view key) {
  return {key, [](const Field& field, OwnerOf<Member>& owner) {
            auto& list = owner.*Member;
            list.clear();
            if (filled == Filled::never_empty && field.node.kind == Node::Kind::array && field.node.elements.empty())
              field.reject("the list is empty", "name at least one");
            each_text(field, [&](const Field& element, const std::string& value) {
              auto parsed = Parse(value);
              if (!parsed) element.reject(parsed.error());
              else if (std::ranges::find(list, *parsed) != list.end())
                element.reject("it stands in the list already", "remove one of them");
              else list.push_back(std::move(*parsed));
            });
          }, print<Member>};
}

template <std::int64_t least_milliseconds>
Result<Duration> duration(const std::string& text) {
  constexpr Duration least{least_milliseconds};
  constexpr auto remedy = "write it like 90d, 12h, 30m, 45s or 1d12h";
  if (text.starts_with('-')) return fail(Errc::invalid, "a duration is never negative", remedy);
  PGCERTD_TRY(const Duration parsed, parse_duration(printable(text, 60)));
  if (parsed < least)
    return fail(Errc::invalid, fmt::format("{} is too short", to_text(parsed)), fmt::format("{} is the least", to_text(least)));
  if (parsed > longest)
    return fail(Errc::invalid, fmt::format("{} is too long", printable(text, 60)), fmt::format("{} is the most", to_text(longest)));
  return parsed;
}
constexpr auto one_second = duration<1'000>;
constexpr auto ten_seconds = duration<10'000>;

template <auto Member>
constexpr Row<OwnerOf<Member>> flag(std::string_view key) {
  return {key, [](const Field& field, OwnerOf<Member>& owner) {
            if (field.is(Node::Kind::boolean)) owner.*Member = field.node.boolean;
          }, print<Member>};
}

void read_renew_at(const Field& field, ClusterConfig& cluster) {
  const bool whole = field.node.kind == Node::Kind::integer;
  if (!whole && !field.is(Node::Kind::real)) return;
  const double value = whole ? static_cast<double>(field.node.integer) : field.node.real;
  // The comparison is written so that nan fails it.
  if (!(value > 0.05 && value < 0.95))
    field.reject(fmt::format("{} is no fraction of a lifetime between 0.05 and 0.95", value), "0.667 renews after two thirds");
  else cluster.renew_at = value;
}

void read_crl_max_entries(const Field& field, ClusterConfig& cluster) {
  if (!field.is(Node::Kind::integer)) return;
  constexpr std::int64_t most = 1'000'000'000;
  if (field.node.integer < 1 || field.node.integer > most)
    field.reject(fmt::format("{} is not between 1 and {}", field.node.integer, most), "1000000 is the default");
  else cluster.crl_max_entries = static_cast<std::uint64_t>(field.node.integer);
}

void read_names(const Field& field, ClusterConfig& cluster) {
  cluster.names = {};
  each_text(field, [&](const Field& element, const std::string& value) {
    if (const auto added = add_name(value, cluster.names); !added) element.reject(added.error());
  });
}

using D = DaemonConfig;
constexpr std::array<Row<D>, 7> daemon_table{
    text<&D::state_directory, absolute_path>("state_directory"),
    text<&D::runtime_directory, absolute_path>("runtime_directory"),
    text<&D::check_interval, one_second>("check_interval"),
    text<&D::control_group, or_empty<account>>("control_group"),
    texts<&D::allowed_directories, absolute_path>("allowed_directories"),
    text<&D::event_retention, one_second>("event_retention"),
    text<&D::clock_bound, one_second>("clock_bound"),
};

using H = HttpConfig;
constexpr std::array<Row<H>, 4> http_table{
    texts<&H::listen, listen_address>("listen"),
    texts<&H::hosts, host>("hosts"),
    text<&H::issuer, or_empty<section_name>>("issuer"),
    text<&H::client_ca, or_empty<absolute_path>>("client_ca"),
};

using I = IssuerConfig;
constexpr std::array<Row<I>, 9> issuer_table{
    text<&I::type, word<IssuerType>>("type"),
    text<&I::directory, or_empty<absolute_path>>("directory"),
    text<&I::passphrase, secret_source>("passphrase"),
    text<&I::crl_lifetime, ten_seconds>("crl_lifetime"),
    text<&I::crl_url, or_empty<http_url>>("crl_url"),
    text<&I::root_certificate, or_empty<absolute_path>>("root_certificate"),
    text<&I::request_lead, one_second>("request_lead"),
    text<&I::runway_warning, one_second>("runway_warning"),
    text<&I::runway_critical, one_second>("runway_critical"),
};

constexpr std::array<Row<CrlSourceConfig>, 1> crl_table{
    texts<&CrlSourceConfig::urls, http_url, Filled::never_empty>("urls"),
};

using C = ClusterConfig;
constexpr std::array<Row<C>, 21> cluster_table{
    text<&C::conninfo, checked_conninfo>("conninfo"),
    text<&C::password, secret_source>("password"),
    text<&C::data_directory, or_empty<absolute_path>>("data_directory"),
    text<&C::server_user, or_empty<account>>("server_user"),
    text<&C::issuer, or_empty<section_name>>("issuer"),
    Row<C>{"names", read_names, print<&C::names>},
    text<&C::key_type, word<KeyType>>("key_type"),
    text<&C::lifetime, ten_seconds>("lifetime"),
    Row<C>{"renew_at", read_renew_at, print<&C::renew_at>},
    text<&C::takeover, word<TakeoverPolicy>>("takeover"),
    text<&C::layout, word<Layout>>("layout"),
    flag<&C::enable_ssl>("enable_ssl"),
    text<&C::client_ca, word<ClientCaPolicy>>("client_ca"),
    Row<C>{"crl_max_entries", read_crl_max_entries, print<&C::crl_max_entries>},
    text<&C::on_foreign_change, word<ForeignChangePolicy>>("on_foreign_change"),
    text<&C::reload, reload_method>("reload"),
    text<&C::reload_guard, word<ReloadGuard>>("reload_guard"),
    text<&C::restart, word<RestartPolicy>>("restart"),
    text<&C::restart_window, or_empty<restart_window>>("restart_window"),
    text<&C::restart_command, restart_command>("restart_command"),
    texts<&C::endpoints, endpoint>("endpoints"),
};

}  // namespace

void Field::reject(std::string message, std::string remedy) const {
  issues.push_back({.file = node.place.file, .line = node.place.line, .column = node.place.column, .key = key,
                    .message = std::move(message), .remedy = std::move(remedy)});
}

bool Field::is(Node::Kind wanted) const {
  if (node.kind == wanted) return true;
  reject(fmt::format("wrong type: it must be {}, and is {}", to_string(wanted), to_string(node.kind)));
  return false;
}

std::span<const Row<DaemonConfig>> daemon_rows() noexcept { return daemon_table; }
std::span<const Row<HttpConfig>> http_rows() noexcept { return http_table; }
std::span<const Row<IssuerConfig>> issuer_rows() noexcept { return issuer_table; }
std::span<const Row<CrlSourceConfig>> crl_rows() noexcept { return crl_table; }
std::span<const Row<ClusterConfig>> cluster_rows() noexcept { return cluster_table; }

}  // namespace pgcertd::config
