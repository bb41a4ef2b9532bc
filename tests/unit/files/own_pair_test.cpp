// Covers lib/files/own_pair.cpp
#include "files/own_pair.hpp"

#include <fcntl.h>

#include "unit/files/material.hpp"

namespace pgcertd::files {
namespace {

using namespace test;

struct Own : ::testing::Test {
  State state;
  OwnPair store{state.path()};
};

TEST_F(Own, IsAbsentThenWholeAndOursAlone) {
  EXPECT_FALSE(store.read().value());
  ASSERT_TRUE(ok(store.write(pair().certificate_pem, Secret(pair().key_pem))));
  const auto read = store.read();
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->chain_pem, pair().certificate_pem);
  EXPECT_EQ((*read)->key_pem.view(), pair().key_pem);
  EXPECT_EQ(mode_of(store.path()), 0600);
  EXPECT_EQ(mode_of(state.path() + "/http"), 0700);
}

TEST_F(Own, TheFormerKeyIsWipedAndALeftoverIsInNobodysWay) {
  ASSERT_TRUE(ok(store.write(pair().certificate_pem, Secret(pair().key_pem))));
  const UniqueFd old(::open(store.path().c_str(), O_RDONLY));
  spit(store.path() + ".new", "half of a key");
  const Pair next = make_pair();
  ASSERT_TRUE(ok(store.write(next.certificate_pem, Secret(next.key_pem))));
  EXPECT_TRUE(all_zero(bytes_of(old.get())));
  EXPECT_EQ((*store.read())->key_pem.view(), next.key_pem);
  EXPECT_EQ(entries(state.path() + "/http"), std::vector<std::string>{"listener.pem"});
}

TEST_F(Own, AFailedWriteLeavesTheFormerPair) {
  ASSERT_TRUE(ok(store.write(pair().certificate_pem, Secret(pair().key_pem))));
  std::filesystem::create_directory(store.path() + ".new");   // nothing can be written there
  EXPECT_FALSE(store.write("other", Secret("other")));
  EXPECT_EQ((*store.read())->key_pem.view(), pair().key_pem);
}

}  // namespace
}  // namespace pgcertd::files
