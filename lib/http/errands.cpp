#include "http/errands.hpp"

#include <system_error>
#include <utility>

namespace pgcertd::http {

bool Errands::start(std::function<void()> work) {
  under_way_.remove_if([](One& one) {
    if (!one.over) return false;
    one.thread.join();
    return true;
  });
  if (under_way_.size() >= most_) return false;
  One& one = under_way_.emplace_back();
  try {
    one.thread = std::thread([&over = one.over, work = std::move(work)] {
      work();
      over = true;
    });
  } catch (const std::system_error&) {
    under_way_.pop_back();
    return false;
  }
  return true;
}

void Errands::join() {
  for (One& one : under_way_) one.thread.join();
  under_way_.clear();
}

}  // namespace pgcertd::http
