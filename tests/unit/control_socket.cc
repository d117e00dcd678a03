#include "control_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace fault {
namespace {

void serve(int server) {
  for (int caller; (caller = accept(server, nullptr, nullptr)) >= 0; close(caller)) {
    std::string asked;
    char some[1024];
    // A GET ends with the head, a POST with the JSON behind it.
    for (ssize_t n; (n = read(caller, some, sizeof some)) > 0;) {
      asked.append(some, static_cast<size_t>(n));
      if (asked.find("\r\n\r\n") != std::string::npos && (asked[0] == 'G' || asked.back() == '}')) break;
    }
    const std::string body = asked[0] == 'G' ? "{\"version\":\"v0.5.18\"}" : "{\"path\":\"/replicated.db\",\"txid\":7,\"replicated_txid\":7}";
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    if (write(caller, answer.data(), answer.size()) < 0) std::perror("control_socket");
  }
}

std::string listen_somewhere() {
  char folder[] = "/tmp/wfsXXXXXX";  // short: there is room for 107 bytes
  EXPECT_NE(mkdtemp(folder), nullptr);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
  const int server = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(bind(server, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(server, 64), 0);
  std::thread(serve, server).detach();
  static std::string made;
  made = address.sun_path;
  std::atexit([] {
    unlink(made.c_str());
    rmdir(made.substr(0, made.rfind('/')).c_str());
  });
  return made;
}

}  // namespace

const std::string& control_socket() {
  static const std::string path = listen_somewhere();
  return path;
}

}  // namespace fault
