// Bytes on their way: a little in memory, the rest in unnamed files of one
// directory.
//
// Whatever a client sends or a command prints, memory stays bounded. A file
// without a name is gone with its last descriptor, so a killed agent leaves
// nothing behind. All files together stay within the spool's limit.

#pragma once

#include <atomic>
#include <string>

#include <stout/bytes.hpp>
#include <stout/nothing.hpp>
#include <stout/try.hpp>

namespace command {

// What is more than this goes into a file.
constexpr size_t MAX_BUFFER_BYTES = 65536;


class Spool
{
public:
  // Fails if no file can be made in the directory.
  static Try<Spool*> create(const std::string& directory, const Bytes& limit);

private:
  friend class Buffer;

  Spool(const std::string& _directory, uint64_t _limit)
    : directory(_directory), limit(_limit), used(0)
  {
  }

  Try<int> open() const;

  const std::string directory;
  const uint64_t limit;
  std::atomic<uint64_t> used;
};


// Bytes that are written once, then read once from the start.
class Buffer
{
public:
  explicit Buffer(Spool* _spool) : spool(_spool) {}
  ~Buffer();

  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // Fails if the disk or the spool's limit does not allow it.
  Try<Nothing> write(const char* data, size_t size);

  // The bytes, as long as they are in memory.
  std::string& memory() { return kept; }

  // The file that they are in, or -1.
  int file() const { return fd; }

private:
  Try<Nothing> writeFile(const char* data, size_t size);

  Spool* spool;
  std::string kept;
  int fd = -1;
  uint64_t written = 0;
};

} // namespace command {
