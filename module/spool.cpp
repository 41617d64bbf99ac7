#include "spool.hpp"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <stout/stringify.hpp>

#include "core/answer.hpp"

using std::string;

namespace command {

int Spool::open() const
{
  int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
    // This file system has none without a name, so take the name away.
    string path = directory + "/command-XXXXXX";
    fd = ::mkostemp(&path[0], O_CLOEXEC);
    if (fd >= 0) {
      ::unlink(path.c_str());
    }
  }
  return fd;
}


Buffer::~Buffer()
{
  if (fd >= 0) {
    ::close(fd);
    spool->used -= written;
  }
}


Try<Nothing> Buffer::write(const char* data, size_t size)
{
  if (fd < 0 && kept.size() + size <= MAX_BUFFER_BYTES) {
    kept.append(data, size);
    return Nothing();
  }
  if (fd < 0) {
    fd = spool->open();
    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
      return Error(SPOOL_EXHAUSTED);
    }
    if (fd < 0 && errno == ENOENT) {
      return Error(SPOOL_MISSING);
    }
    if (fd < 0) {
      return ErrnoError(spool->directory);
    }
    const Try<Nothing> moved = writeFile(kept.data(), kept.size());
    kept = string();
    if (moved.isError()) {
      return moved;
    }
  }
  return writeFile(data, size);
}


Try<Nothing> Buffer::writeFile(const char* data, size_t size)
{
  if (spool->used.fetch_add(size) + size > spool->limit) {
    spool->used -= size;
    return Error(
      "the spool's limit of " + stringify(spool->limit) + " bytes is reached");
  }
  written += size;
  while (size > 0) {
    const ssize_t count = ::write(fd, data, size);
    if (count < 0 && errno != EINTR) {
      return ErrnoError(spool->directory);
    }
    data += count < 0 ? 0 : count;
    size -= count < 0 ? 0 : count;
  }
  return Nothing();
}

} // namespace command {
