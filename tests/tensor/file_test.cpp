#include "tensor/file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <string>
#include <thread>

#include "tensor/error.h"
#include "tests/support/temp_dir.h"

using namespace matmix;
using namespace matmix::testing;
namespace fs = std::filesystem;

TEST_CASE("what is written is read, whole, of any size") {
  const TempDir dir;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65536}, size_t{200001}}) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7);
    write_file_atomically(dir / "x", bytes);
    CHECK(read_file(dir / "x") == bytes);
  }
  CHECK(std::distance(fs::directory_iterator(dir.path()), {}) == 1);
}

TEST_CASE("a writer that does not commit leaves what was there") {
  const TempDir dir;
  write_file_atomically(dir / "x", "old");
  {
    AtomicFile file(dir / "x");
    file.write("new", 3);
    CHECK(read_file(dir / "x") == "old");
  }
  CHECK(read_file(dir / "x") == "old");
  CHECK(std::distance(fs::directory_iterator(dir.path()), {}) == 1);
}

TEST_CASE("temporary files have names of their own, short enough beside any name, and are gone at the end") {
  const TempDir dir;
  const fs::path longest = dir / std::string(255, 'n');
  write_file_atomically(dir / "x.tmp", "of the user");
  write_file_atomically(dir / "x", "new");
  write_file_atomically(longest, "new");
  {
    AtomicFile one(dir / "x"), other(dir / "x");
    one.write("one", 3);
    other.write("other", 5);
    other.commit();
    one.commit();
  }
  CHECK(read_file(dir / "x") == "one");
  CHECK(read_file(dir / "x.tmp") == "of the user");
  CHECK(read_file(longest) == "new");
  CHECK(std::distance(fs::directory_iterator(dir.path()), {}) == 3);
}

TEST_CASE("a link stays, the file that it names is replaced, or made") {
  const TempDir dir;
  write_file_atomically(dir / "real", "old");
  fs::create_directory(dir / "folder");
  fs::create_symlink("real", dir / "link");
  fs::create_symlink("../link", dir / "folder/second");
  fs::create_symlink("folder/none", dir / "to_nothing");
  fs::create_symlink("loop", dir / "loop");
  write_file_atomically(dir / "folder/second", "new");
  CHECK(read_file(dir / "real") == "new");
  CHECK(fs::is_symlink(dir / "link"));
  CHECK(fs::is_symlink(dir / "folder/second"));
  write_file_atomically(dir / "to_nothing", "made");
  CHECK(read_file(dir / "folder/none") == "made");
  CHECK(fs::is_symlink(dir / "to_nothing"));
  CHECK_THROWS_WITH_AS(
      write_file_atomically(dir / "loop", "x"),
      ("file: cannot write '" + (dir / "loop").string() + "': Too many levels of symbolic links").c_str(), Error);
}

TEST_CASE("a file keeps its mode, a new one has the process's") {
  const TempDir dir;
  const auto mode = [&](const char* name) { return fs::status(dir / name).permissions() & fs::perms::mask; };
  const mode_t before = ::umask(027);
  write_file_atomically(dir / "new", "x");
  ::umask(before);
  CHECK(mode("new") == fs::perms{0640});
  for (const unsigned bits : {0600u, 0755u, 0666u}) {
    fs::permissions(dir / "new", fs::perms{bits});
    write_file_atomically(dir / "new", "y");
    CHECK(mode("new") == fs::perms{bits});
  }
}

TEST_CASE("what is no regular file is written into, and stays what it is") {
  const TempDir dir;
  const fs::path fifo = dir / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  std::string got;
  std::thread reader([&] { got = read_file(fifo); });
  write_file_atomically(fifo, "through");
  reader.join();
  CHECK(got == "through");
  CHECK(fs::is_fifo(fifo));
  fs::create_symlink("/dev/null", dir / "null");
  write_file_atomically(dir / "null", "x");
  CHECK(fs::is_symlink(dir / "null"));
  CHECK(fs::is_character_file("/dev/null"));
  CHECK_THROWS_WITH_AS(write_file_atomically("/dev/full", "x"),
                       "file: cannot write '/dev/full': No space left on device", Error);
  CHECK(fs::is_character_file("/dev/full"));
}

TEST_CASE("what a killed writer left is removed by the next one in the folder, what another is writing is not") {
  const TempDir dir;
  dir.write(".matmix-1-0.tmp", "left behind");
  dir.write(".matmix-notes", "of the user");
  AtomicFile other(dir / "other");
  other.write("other", 5);
  write_file_atomically(dir / "x", "new");
  other.commit();
  CHECK_FALSE(fs::exists(dir / ".matmix-1-0.tmp"));
  CHECK(read_file(dir / "other") == "other");
  CHECK(read_file(dir / ".matmix-notes") == "of the user");
}

TEST_CASE("a name of a descriptor is read and written from where the descriptor stands") {
  const TempDir dir;
  const int descriptor = ::open(dir.write("x", "head, tail").c_str(), O_RDWR);
  const std::string name = "/dev/fd/" + std::to_string(descriptor);
  fs::create_symlink(name, dir / "link");
  REQUIRE(::lseek(descriptor, 6, SEEK_SET) == 6);
  CHECK(read_file(dir / "link") == "tail");
  REQUIRE(::lseek(descriptor, 6, SEEK_SET) == 6);
  write_file_atomically(name, "t");
  write_file_atomically(dir / "link", "oe");
  CHECK(::lseek(descriptor, 0, SEEK_CUR) == 9);
  ::close(descriptor);
  CHECK(read_file(dir / "x") == "head, toel");
  CHECK_THROWS_WITH_AS(write_file_atomically(name, "x"),
                       ("file: cannot write '" + name + "': Bad file descriptor").c_str(), Error);
}

TEST_CASE("what does not wait is waited for") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_NONBLOCK) == 0);
  const std::string much(1 << 20, 'm');
  std::thread writer([&] {
    write_file_atomically("/dev/fd/" + std::to_string(ends[1]), much);
    ::close(ends[1]);
  });
  CHECK(read_file("/dev/fd/" + std::to_string(ends[0])) == much);
  writer.join();
  ::close(ends[0]);
}

TEST_CASE("a socket is read through its descriptor's name") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  REQUIRE(::write(ends[0], "text", 4) == 4);
  ::close(ends[0]);
  CHECK(read_file("/dev/fd/" + std::to_string(ends[1])) == "text");
  ::close(ends[1]);
}

TEST_CASE("the system's refusals are passed on with the path") {
  const TempDir dir;
  const std::string missing = (dir / "no/x").string(), folder = (dir / "folder").string();
  CHECK_THROWS_WITH_AS(read_file(missing), ("file: cannot read '" + missing + "': No such file or directory").c_str(),
                       Error);
  CHECK_THROWS_WITH_AS(write_file_atomically(missing, "x"),
                       ("file: cannot write '" + missing + "': No such file or directory").c_str(), Error);
  std::filesystem::create_directory(folder);
  CHECK_THROWS_WITH_AS(read_file(folder), ("file: cannot read '" + folder + "': Is a directory").c_str(), Error);
  CHECK_THROWS_AS(write_file_atomically(folder, "x"), Error);
  CHECK_THROWS_AS(write_file_atomically("/dev/full/x", "x"), Error);
}
