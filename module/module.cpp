// The shared object's one module, by which a Mesos agent starts all of this.

#include <signal.h>
#include <unistd.h>

#include <glog/logging.h>

#include <mesos/mesos.hpp>
#include <mesos/module.hpp>

#include <mesos/module/anonymous.hpp>

#include "host.hpp"

using mesos::modules::Anonymous;
using mesos::modules::Module;


// The id of an agent's own process, the first of its kind.
constexpr char AGENT[] = "slave(1)";


static Anonymous* create(const mesos::Parameters& parameters)
{
  command::Parameters given;
  for (const mesos::Parameter& parameter : parameters.parameter()) {
    given.emplace_back(parameter.key(), parameter.value());
  }
  const Try<Nothing> served = command::serve(given, AGENT);
  if (served.isError()) {
    // The agent says no more than that the module could not be created.
    LOG(ERROR) << "The command module can't start:\n" << served.error();
    return nullptr;
  }
  // The agent itself would end at once, with requests unanswered.
  command::endInOrder([](int number) { ::kill(::getpid(), number); });
  return new Anonymous();
}


// The name of this symbol is the name of the module. No `compatible` function:
// it must have been built for the version of the agent that loads it.
__attribute__((visibility("default"))) Module<Anonymous> org_command_abi_Module(
  MESOS_MODULE_API_VERSION,
  MESOS_VERSION,
  "mesos-packager",
  "the project's issue tracker",
  "HTTP routes that run commands.",
  nullptr,
  create);
