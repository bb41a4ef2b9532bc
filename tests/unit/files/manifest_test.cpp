#include "files/manifest.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pgcertd::files {
namespace {

const std::string digest(64, 'a');

TEST(Manifest, ComesBackAsItWasWritten) {
  const Manifest one{.origin = Origin::rolled_back, .number = 18446744073709551615U, .created = from_unix(1767225600),
                     .sha256 = {{"server.crt", digest}, {"root.crl", digest}}, .key_spki_sha256 = digest};
  EXPECT_EQ(parse_manifest(to_json(one), "m").value(), one);
}

TEST(Manifest, WhatNoGenerationHasIsRefused) {
  const std::string good = to_json({.origin = Origin::issued,
                                    .number = 1,
                                    .created = from_unix(0),
                                    .sha256 = {{"server.crt", digest}},
                                    .key_spki_sha256 = digest});
  ASSERT_TRUE(parse_manifest(good, "m"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  for (const std::string& bad :
       {std::string{}, std::string{"null"}, std::string{"[]"}, std::string(3000, '['), good.substr(0, good.size() / 2),
        with("\"format\": 1", "\"format\": 2"), with("issued", "stolen"), with("\"number\": 1", "\"number\": \"1\""),
        with("server.crt", "server.key"), with("server.crt", "../etc/passwd"), with(digest, "short"),
        with("1970-01-01T00:00:00Z", "yesterday")}) {
    const auto parsed = parse_manifest(bad, "m");
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Errc::parse);
  }
}

TEST(Manifest, DigestsAreThoseOfFips180) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(GenerationId, OnlyOurOwnNamesAreTaken) {
  for (const char* good : {"20260101T000000Z-3f9a", "99991231T235959Z-0", "20260101T000000Z-0123456789abcdef"})
    EXPECT_TRUE(is_generation_id(good)) << good;
  for (const char* bad :
       {"", "20260101T000000Z", "20260101T000000Z-", "20260101T000000Z-G", "20260101T000000Z-AB", "20260101-000000Z-ab",
        "2026010xT000000Z-ab", "20260101T000000Z-ab/", "../20260101T000000Z-ab", "20260101T000000Z_ab"})
    EXPECT_FALSE(is_generation_id(bad)) << bad;
  EXPECT_FALSE(is_generation_id("20260101T000000Z-" + std::string(65, 'a')));
}

}  // namespace
}  // namespace pgcertd::files
