// SharedText: a text that is made once and handed on to many without being copied, as a CRL of megabytes. Immutable, so that any
// thread may read it.
#pragma once

#include <memory>
#include <string>
#include <utility>

namespace pgcertd {

class SharedText {
 public:
  SharedText() = default;
  SharedText(std::string text) : text_(std::make_shared<const std::string>(std::move(text))) {}   // NOLINT(google-explicit-constructor): a text like others
  SharedText(const char* text) : SharedText(std::string(text)) {}                                  // NOLINT(google-explicit-constructor)
  [[nodiscard]] const std::string& str() const noexcept {
    static const std::string none;
    return text_ ? *text_ : none;
  }
  operator const std::string&() const noexcept { return str(); }                                   // NOLINT(google-explicit-constructor)
  [[nodiscard]] bool empty() const noexcept { return str().empty(); }
  friend bool operator==(const SharedText& a, const SharedText& b) noexcept { return a.text_ == b.text_ || a.str() == b.str(); }

 private:
  std::shared_ptr<const std::string> text_;
};

}  // namespace pgcertd
