#include "status/problem_pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <vector>

#include "status/html.hpp"
#include "status/page_parts.hpp"
#include "status/problem_texts.hpp"

namespace pgcertd::status {
namespace {

constexpr std::size_t any_length = 1U << 20U;   // our own text: nothing of it is cut

std::string link(std::string_view label, std::string_view target) {
  std::string text = html(label, any_length);
  if (target == "README.md") return fmt::format("<a href=\"/problems\">{}</a>", text);
  if (!target.ends_with(".md") || target.find('/') != std::string_view::npos || !problem_text(target.substr(0, target.size() - 3))) return text;
  return fmt::format("<a href=\"/problems/{}\">{}</a>", html(target.substr(0, target.size() - 3)), text);
}

// `code`, [label](target) and **strong**.
std::string inlined(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t at = std::min(text.find_first_of("`[*"), text.size());
    out += html(text.substr(0, at), any_length);
    text.remove_prefix(at);
    if (text.empty()) break;
    const auto between = [&](std::string_view open, std::string_view close) -> std::optional<std::string_view> {
      if (!text.starts_with(open)) return std::nullopt;
      const std::size_t end = text.find(close, open.size());
      return end == std::string_view::npos ? std::nullopt : std::optional{text.substr(open.size(), end - open.size())};
    };
    if (const auto code = between("`", "`")) {
      out += fmt::format("<code>{}</code>", html(*code, any_length));
      text.remove_prefix(code->size() + 2);
    } else if (const auto strong = between("**", "**")) {
      out += fmt::format("<strong>{}</strong>", html(*strong, any_length));
      text.remove_prefix(strong->size() + 4);
    } else if (const auto label = between("[", "]("); label && text.find(')', label->size()) != std::string_view::npos) {
      const std::size_t from = label->size() + 3, end = text.find(')', from);
      out += link(*label, text.substr(from, end - from));
      text.remove_prefix(end + 1);
    } else {
      out += html(text.substr(0, 1));
      text.remove_prefix(1);
    }
  }
  return out;
}

class Blocks {
 public:
  void line(std::string_view text) {
    if (fenced_ || text.starts_with("    ")) return code(text);
    if (text.starts_with("```")) return open(Kind::code), void(fenced_ = true);
    if (text.empty()) return blank();
    if (text.starts_with("#")) return heading(text);
    if (text.starts_with("|")) return row(text);
    if (text.starts_with("- ")) return open(Kind::list), item(text.substr(2));
    if (kind_ == Kind::list && text.starts_with("  ")) return more(text.substr(2));
    if (kind_ != Kind::paragraph) open(Kind::paragraph);
    more(text);
  }
  std::string finish() {
    open(Kind::none);
    return std::move(out_);
  }

 private:
  enum class Kind { none, paragraph, list, code, table };

  void flush() {
    if (pending_.empty()) return;
    const std::string body = inlined(pending_);
    out_ += kind_ == Kind::list ? "<li>" + body + "</li>\n" : "<p>" + body + "</p>\n";
    pending_.clear();
  }
  void open(Kind next) {
    flush();
    if (next == kind_) return;
    if (kind_ == Kind::list) out_ += "</ul>\n";
    if (kind_ == Kind::code) out_ += "</code></pre>\n";
    if (kind_ == Kind::table) out_ += "</tbody></table></section>\n";
    kind_ = next;
    if (kind_ == Kind::list) out_ += "<ul>\n";
    if (kind_ == Kind::code) out_ += "<pre tabindex=\"0\"><code>";
    if (kind_ == Kind::table) rows_ = 0;
  }
  void blank() {
    flush();
    if (kind_ == Kind::paragraph || kind_ == Kind::table) open(Kind::none);
  }
  void code(std::string_view text) {
    if (fenced_ && text.starts_with("```")) return fenced_ = false, open(Kind::none);
    open(Kind::code);
    out_ += html(fenced_ ? text : text.substr(4), any_length) + "\n";
  }
  void heading(std::string_view text) {
    open(Kind::none);
    const std::size_t level = text.find_first_not_of('#');
    out_ += fmt::format("<h{0}>{1}</h{0}>\n", level, inlined(text.substr(level + 1)));
  }
  void item(std::string_view text) {
    flush();
    pending_ = text;
  }
  void more(std::string_view text) { (pending_.empty() ? pending_ : pending_ += ' ') += text; }
  void row(std::string_view text) {
    open(Kind::table);
    ++rows_;
    if (rows_ == 2) return;   // |---|---|
    const char* cell = rows_ == 1 ? "th scope=\"col\"" : "td";
    std::string cells;
    for (std::size_t at = 1; at < text.size();) {
      const std::size_t end = std::min(text.find('|', at), text.size());
      if (end == text.size()) break;
      const std::string_view inside = text.substr(at, end - at);
      const std::size_t from = std::min(inside.find_first_not_of(' '), inside.size()), to = inside.find_last_not_of(' ');
      cells += fmt::format("<{0}>{1}</{2}>", cell, inlined(from == inside.size() ? std::string_view{} : inside.substr(from, to + 1 - from)), std::string_view(cell).substr(0, 2));
      at = end + 1;
    }
    if (rows_ == 1) out_ += fmt::format("<section class=\"scroll\" tabindex=\"0\" aria-label=\"Table {}\"><table><thead><tr>{}</tr></thead>\n<tbody>\n", ++tables_, cells);
    else out_ += "<tr>" + cells + "</tr>\n";
  }

  Kind kind_ = Kind::none;
  bool fenced_ = false;
  std::size_t rows_ = 0, tables_ = 0;
  std::string pending_, out_;
};

}  // namespace

std::optional<std::string_view> problem_text(std::string_view name) {
  const auto texts = problem_texts();
  const auto found = std::ranges::find(texts, name, &ProblemText::name);
  return found == texts.end() ? std::nullopt : std::optional{found->markdown};
}

std::string markdown_html(std::string_view markdown) {
  Blocks blocks;
  while (!markdown.empty()) {
    const std::size_t end = std::min(markdown.find('\n'), markdown.size());
    blocks.line(markdown.substr(0, end));
    markdown.remove_prefix(std::min(end + 1, markdown.size()));
  }
  return blocks.finish();
}

std::optional<std::string> problem_page(std::string_view name) {
  const auto text = problem_text(name);
  if (!text) return std::nullopt;
  return page_head(name == "README" ? "Problems" : name) + "<body>\n" + std::string(masthead()) + "<main class=\"text\">\n" + markdown_html(*text) +
         "</main>\n<footer><p><a href=\"/\">Back to the status page</a> · <a href=\"/problems\">All problems</a></p></footer>\n</body>\n</html>\n";
}

}  // namespace pgcertd::status
