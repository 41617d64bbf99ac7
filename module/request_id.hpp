#ifndef __COMMAND_REQUEST_ID_HPP__
#define __COMMAND_REQUEST_ID_HPP__

#include <string>

#include <process/http.hpp>

namespace command {

// The request's own id if it has a proper one, else a random one.
std::string readRequestId(const process::http::Request& request);

// The id under which a command runs, which no other running command of this
// host has: processes are found, and killed, by it, and a client must not
// point that at another's. While the wanted id is taken, it is a random one.
class ClaimedId
{
public:
  explicit ClaimedId(const std::string& wanted);
  ~ClaimedId();

  ClaimedId(const ClaimedId&) = delete;
  ClaimedId& operator=(const ClaimedId&) = delete;

  const std::string value;
};

} // namespace command {

#endif // __COMMAND_REQUEST_ID_HPP__
