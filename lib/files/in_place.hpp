// InPlaceLinks: the paths that a server's settings name become links through `current` (layout in-place). The paths are a
// stranger's: a link is put only into a directory of the server's own user inside its data or configuration directory, or
// below one that the configuration names; nothing is written through a path, and nothing but our own link is ever made there.
// What stood there is kept beside it as NAME.pgcertd-saved. One thread.
#pragma once

#include <string>
#include <vector>

#include "files/directory.hpp"
#include "ports/files.hpp"

namespace pgcertd::files {

struct InPlacePlaces {
  std::string cluster_directory;                       // STATE/clusters/NAME
  std::vector<std::string> forbidden{};                // STATE and the directories of CAs
  std::vector<std::string> allowed_directories{};
};

class InPlaceLinks final : public ports::InPlace {
 public:
  explicit InPlaceLinks(InPlacePlaces places) : places_(std::move(places)) {}

  Result<InPlaceSeen> observe(const std::string& cert_path, const std::string& key_path, const PostgresSeen& server) override;
  Result<void> link(const std::string& path, FileRole role, const PostgresSeen& server) override;
  // Does our own link stand there?
  Result<bool> is_linked(const std::string& path, FileRole role, const PostgresSeen& server) const;
  // What stood there before our link: the file that was kept, or nothing. Whatever else stands there now is left alone.
  Result<void> give_back(const std::string& path, FileRole role, const PostgresSeen& server);

 private:
  struct Place {
    Directory directory;
    std::string name;
  };
  Result<Place> place(const std::string& path, const PostgresSeen& server) const;
  [[nodiscard]] std::string target(FileRole role) const;
  Result<InPlacePath> look(const Place& at, const std::string& path, FileRole role) const;

  InPlacePlaces places_;
};

}  // namespace pgcertd::files
