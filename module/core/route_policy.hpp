// The policy of a route: what its commands may use, how long, and how the
// answer is given.
//
// A policy field stands in a route, or in the table's `defaults` for all
// routes. `response`, `queue`, `limits` and `statuses` are merged key by key;
// every other field of a route replaces the default.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/table_reader.hpp"

namespace command {

// Times are in seconds, sizes in bytes.
struct Policy
{
  std::string stdin_ = "none";
  int64_t maxBody = -1; // -1 and an empty type: not said in the table.
  std::string type;
  std::string delivery = "whole";
  int64_t maxBytes = -1;
  double timeout = 60;
  std::optional<double> idleTimeout;
  double grace = 5;
  int64_t concurrency = 64;
  int64_t queueLength = 0;
  double queueSeconds = 10;
  std::string disconnect = "kill";
  std::map<std::string, int64_t> limits; // By their names in the table.
  std::string workingDirectory = "/";
  std::optional<std::string> realm;
  std::vector<std::string> principals; // Who may call it; none: everybody.
  std::map<int, int> statuses; // HTTP statuses by exit code.
};


// Sets what the policy fields of an object say.
void readPolicy(const TableReader& reader, Policy* policy);

// Sets what depends on other fields of a route.
void resolve(const TableReader& route, Policy* policy);

} // namespace command {
