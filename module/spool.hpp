// Bytes on their way: a little in memory, the rest in unnamed files of one
// directory.
//
// A file without a name is gone with its last descriptor, so a killed agent
// leaves nothing behind. All files together stay within the spool's limit.

#pragma once

#include <atomic>
#include <string>

#include <stout/bytes.hpp>
#include <stout/nothing.hpp>
#include <stout/try.hpp>

namespace command {

// What is more than this goes into a file.
constexpr size_t MAX_BUFFER_BYTES = 65536;


// A directory for such files. Never deleted.
struct Spool
{
  Spool(const std::string& _directory, const Bytes& _limit)
    : directory(_directory), limit(_limit.bytes())
  {
  }

  // A new file; or -1, and errno says why.
  int open() const;

  const std::string directory;
  const uint64_t limit;
  std::atomic<uint64_t> used{0};
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
