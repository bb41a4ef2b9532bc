// Covers lib/core/file_judge.cpp: which files and directories are judged, and the command for each verdict.
#include "core/file_judge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/core/case.hpp"

namespace pgcertd::file_judge_tests {   // of its own: a unity build puts all tests into one unit
namespace {

using namespace pgcertd::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ServerIdentity postgres{26, 26, {}};

FileSeen file(const std::string& path, uid_t uid, mode_t mode) {
  FileSeen f;
  f.path = path, f.kind = FileSeen::Kind::regular, f.uid = uid, f.gid = 26, f.mode = mode;
  return f;
}

FileSeen directory(const std::string& path, mode_t mode) {
  FileSeen d = file(path, 0, mode);
  d.kind = FileSeen::Kind::directory, d.gid = 0;
  return d;
}

std::string fix(bool is_key, const FileSeen& seen) { return fix_command(is_key, postgres, "postgres", seen, is_key ? judge_key(postgres, seen) : judge_public(postgres, seen)); }

TEST(FixCommand, MakesTheFileAcceptable) {
  EXPECT_EQ(fix(true, file("/k", 26, 0600)), "");
  EXPECT_EQ(fix(true, file("/k", 26, 0644)), "chmod 0600 /k");
  EXPECT_EQ(fix(true, file("/k", 0, 0644)), "chmod 0640 /k");
  EXPECT_EQ(fix(true, file("/k", 1000, 0600)), "chown postgres /k && chmod 0600 /k");
  EXPECT_EQ(fix(true, file("/k", 26, 0000)), "chmod 0600 /k");
  EXPECT_EQ(fix(true, file("/k", 0, 0600)), "chown postgres /k && chmod 0600 /k");
  EXPECT_EQ(fix(false, file("/c", 0, 0600)), "chmod a+r /c");
  EXPECT_EQ(fix(false, directory("/d", 0755)), "replace it by a regular file");
  EXPECT_EQ(fix(true, FileSeen{}), "put the file there, or set the parameter to where it is");
  EXPECT_EQ(fix_command(true, postgres, "", file("/k", 1000, 0600), FileVerdict::wrong_owner), "chown 26 /k && chmod 0600 /k");
}

TEST(FixCommand, QuotesHostilePaths) {
  EXPECT_EQ(fix(true, file("/a b;rm -rf ~", 26, 0644)), "chmod 0600 '/a b;rm -rf ~'");
  EXPECT_EQ(fix(true, file("/a'b", 26, 0644)), "chmod 0600 '/a'\\''b'");
}

std::vector<std::string> verdicts(const Case& c) {
  std::vector<std::string> out;
  for (const FileJudgement& j : judge_tls_files(c.seen)) out.push_back(j.path.substr(j.path.rfind('/') + 1) + " " + j.setting + " " + std::string{to_string(j.verdict)} + (j.ours ? " ours" : ""));
  return out;
}

TEST(JudgeTlsFiles, OwnFilesWhileTheyAreInUse) {
  Case c;
  EXPECT_THAT(verdicts(c), ElementsAre("server.crt ssl_cert_file ok ours", "server.key ssl_key_file ok ours"));
  c.current().files.back().mode = 0644;
  EXPECT_THAT(verdicts(c), ElementsAre("server.crt ssl_cert_file ok ours", "server.key ssl_key_file open to group or world ours"));
  EXPECT_EQ(judge_tls_files(c.seen).back().actual, "0644 26:26");
  c.seen.live.ours = false;
  EXPECT_THAT(verdicts(c), IsEmpty());
  c.seen.live.ours = true, c.seen.server.server_uid = static_cast<uid_t>(-1);
  EXPECT_THAT(verdicts(c), IsEmpty());
}

TEST(JudgeTlsFiles, FilesOfOthersAndTheWayToThem) {
  Case c;
  c.seen.generations.current.clear();
  LiveFileSeen ca;
  ca.role = FileRole::root, ca.file = file("/etc/pki/ca.crt", 0, 0600), ca.parents = {directory("/", 0755), directory("/etc/pki", 0700)};
  LiveFileSeen crl = ca;
  crl.role = FileRole::crl, crl.file = FileSeen{}, crl.file.path = "/etc/pki/ca.crl";
  LiveFileSeen hidden = ca;
  hidden.trouble = "a link of somebody else", hidden.parents.clear();
  c.seen.live_files = {ca, crl, hidden};
  EXPECT_THAT(verdicts(c), ElementsAre("ca.crt ssl_ca_file not readable by the server", "pki  not readable by the server", "ca.crl ssl_crl_file missing"));
  EXPECT_EQ(judge_tls_files(c.seen)[1].remedy, "chmod a+x /etc/pki");
  EXPECT_EQ(judge_tls_files(c.seen)[2].actual, "missing");
  EXPECT_TRUE(c.has(ProblemCode::file_permissions));
  EXPECT_TRUE(c.has(ProblemCode::file_missing));
  c.seen.server.server_groups = {0}, c.seen.live_files.front().file.mode = 0640, c.seen.live_files.front().file.gid = 0;
  EXPECT_EQ(verdicts(c).front(), "ca.crt ssl_ca_file ok") << "by a supplementary group";
}

TEST(JudgeTlsFiles, AClosedDirectoryOfOursIsToldToo) {
  Case c;
  c.seen.generations.parents = {directory("/", 0755), directory("/s", 0700)};
  EXPECT_EQ(verdicts(c).back(), "s  not readable by the server ours");
  EXPECT_TRUE(c.has(ProblemCode::file_permissions));
}

TEST(JudgeTlsFiles, WhatTheServerCanReadIsNoProblem) {
  Case c;
  LiveFileSeen ca;
  ca.role = FileRole::root, ca.file = file("/etc/pki/ca.crt", 0, 0644), ca.parents = {directory("/", 0755)};
  c.seen.live_files = {ca};
  EXPECT_TRUE(c.plan().findings.empty());
}

TEST(JudgeTlsFiles, AFileOfSomebodyElseWithAWrongOwnerIsTold) {
  Case c;
  LiveFileSeen key;
  key.role = FileRole::key, key.file = file("/k", 1000, 0600);
  c.seen.live_files = {key};
  EXPECT_TRUE(c.has(ProblemCode::file_owner));
  c.seen.live_files.front().file.kind = FileSeen::Kind::other;
  EXPECT_TRUE(c.has(ProblemCode::file_permissions));
  EXPECT_EQ(judge_tls_files(c.seen).back().actual, "neither a file nor a directory");
}

}  // namespace
}  // namespace pgcertd::file_judge_tests
