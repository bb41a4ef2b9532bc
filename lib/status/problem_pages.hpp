// The pages of docs/problems, compiled in: what a code means and what to do about it, also where no documentation is
// installed. Markdown as those pages use it, and no more. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pgcertd::status {

// `name` is that of the file without ".md"; nullopt: there is none.
std::optional<std::string_view> problem_text(std::string_view name);
std::optional<std::string> problem_page(std::string_view name);
// Headings, paragraphs, lists, tables, code and links; a link to a page that is not served here becomes its text.
std::string markdown_html(std::string_view markdown);

}  // namespace pgcertd::status
