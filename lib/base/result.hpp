// Result<T>: a value or an Error; it may not be ignored. "Needs renewal" is data, never an Error.
#pragma once

#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

#include "base/error.hpp"

namespace pgcertd {

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using Base = tl::expected<T, Error>;
  using Base::Base;
  Result(Base&& base) : Base(std::move(base)) {}          // NOLINT(google-explicit-constructor): results of and_then and map
  Result(const Base& base) : Base(base) {}                // NOLINT(google-explicit-constructor): as above
};

inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> fail(Errc code, std::string what, std::string remedy = {}) {
  return tl::unexpected<Error>(make_error(code, std::move(what), std::move(remedy)));
}

// Adds "while doing `outer`" to a failure and leaves a success alone.
template <class T>
Result<T> within(Result<T> result, std::string_view outer) {
  if (!result) return fail(std::move(result).error().within(outer));
  return result;
}

#define PGCERTD_CONCAT_(a, b) a##b
#define PGCERTD_CONCAT(a, b) PGCERTD_CONCAT_(a, b)
// PGCERTD_TRY(auto x, f()): x is f()'s value, or its error is returned.
#define PGCERTD_TRY(declaration, expression) PGCERTD_TRY_(declaration, expression, PGCERTD_CONCAT(pgcertd_try_, __LINE__))
#define PGCERTD_TRY_(declaration, expression, name)   \
  auto name = (expression);                           \
  if (!name) return ::pgcertd::fail(std::move(name).error()); \
  declaration = std::move(*name)
// PGCERTD_CHECK(f()): returns f()'s error, if any.
#define PGCERTD_CHECK(expression)                                             \
  do {                                                                        \
    if (auto checked_ = (expression); !checked_) return ::pgcertd::fail(std::move(checked_).error()); \
  } while (false)

}  // namespace pgcertd
