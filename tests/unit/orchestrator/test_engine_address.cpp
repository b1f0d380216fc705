// SPDX-License-Identifier: Apache-2.0
// Which engine: the precedence and the forms of addresses that docker's own program has, and what is read from its
// files.
#include "orchestrator/engine_address.hpp"

#include "support/digest.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace dbuild;
using namespace dbuild::orchestrator;

namespace {

constexpr const char* k_variables[] = {"DOCKER_HOST",       "DOCKER_CONTEXT",  "DOCKER_CONFIG",
                                       "DOCKER_TLS_VERIFY", "DOCKER_TLS",      "DOCKER_CERT_PATH",
                                       "BUILDX_BUILDER",    "XDG_RUNTIME_DIR", "BUILDX_CONFIG"};

/// A configuration folder of its own and none of docker's variables; what was set before comes back.
class Surroundings {
public:
    Surroundings() : folder_(TempDir::create("dbuild-docker").value()) {
        for (const char* name : k_variables) {
            const char* value = std::getenv(name);
            before_.emplace_back(name, value ? std::optional<std::string>(value) : std::nullopt);
            ::unsetenv(name);
        }
        set("DOCKER_CONFIG", folder_.path().string());
    }
    ~Surroundings() {
        for (const auto& [name, value] : before_) value ? ::setenv(name, value->c_str(), 1) : ::unsetenv(name);
    }
    Surroundings(const Surroundings&) = delete;
    Surroundings& operator=(const Surroundings&) = delete;

    void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
    void write(const std::string& path, const std::string& text) {
        const auto full = folder_.path() / path;
        REQUIRE(make_directories(full.parent_path()));
        REQUIRE(write_file(full, text));
    }
    void add_context(const std::string& name, const std::string& host, const std::string& more = "") {
        write("contexts/meta/" + sha256(name).hex() + "/meta.json",
              R"({"Name":")" + name + R"(","Metadata":{},"Endpoints":{"docker":{"Host":")" + host + "\"" + more +
                  "}}}");
    }
    std::filesystem::path path(const std::string& below) const { return folder_.path() / below; }
    Result<EngineAddress> find() const {
        const auto config = read_docker_config();
        REQUIRE(config);
        return find_engine_address(*config);
    }
    EngineAddress address() const {
        auto found = find();
        REQUIRE_MESSAGE(found, (found ? "" : found.error().message));
        return std::move(*found);
    }

private:
    TempDir folder_;
    std::vector<std::pair<const char*, std::optional<std::string>>> before_;
};

using Words = std::vector<std::string>;

} // namespace

TEST_SUITE("orchestrator/engine_address") {
    TEST_CASE("without anything it is the default socket of the default context") {
        const Surroundings surroundings;
        const auto address = surroundings.address();
        CHECK(address.context == "default");
        CHECK(address.route.unix_socket == "/var/run/docker.sock");
    }
    TEST_CASE("DOCKER_HOST beats DOCKER_CONTEXT, which beats the context in use") {
        Surroundings surroundings;
        surroundings.add_context("used", "unix:///used.sock");
        surroundings.add_context("named", "unix:///named.sock");
        surroundings.write("config.json", R"({"currentContext":"used"})");
        CHECK(surroundings.address().context == "used");
        CHECK(surroundings.address().route.unix_socket == "/used.sock");
        surroundings.set("DOCKER_CONTEXT", "named");
        CHECK(surroundings.address().route.unix_socket == "/named.sock");
        surroundings.set("DOCKER_HOST", "unix:///host.sock");
        CHECK(surroundings.address().route.unix_socket == "/host.sock");
        CHECK(surroundings.address().context == "default");
        surroundings.set("DOCKER_HOST", "");
        surroundings.set("DOCKER_CONTEXT", "default");
        CHECK(surroundings.address().context == "default");
    }
    TEST_CASE("a context that does not exist is named") {
        Surroundings surroundings;
        surroundings.set("DOCKER_CONTEXT", "nowhere");
        const auto found = surroundings.find();
        REQUIRE_FALSE(found);
        CHECK(found.error().kind == ErrorKind::not_found);
        CHECK(found.error().message.find("\"nowhere\"") != std::string::npos);
    }
    TEST_CASE("TCP without TLS, with docker's defaults for what is left out") {
        Surroundings surroundings;
        surroundings.set("DOCKER_HOST", "tcp://build.example:1234/api");
        CHECK(surroundings.address().base_url == "http://build.example:1234/api");
        CHECK_FALSE(surroundings.address().route.bypasses_proxy);
        surroundings.set("DOCKER_HOST", "tcp://127.0.0.1/");
        CHECK(surroundings.address().base_url == "http://127.0.0.1:2375");
        CHECK(surroundings.address().route.bypasses_proxy);
        surroundings.set("DOCKER_HOST", "build.example:99");
        CHECK(surroundings.address().base_url == "http://build.example:99");
        surroundings.set("DOCKER_HOST", "tcp://[::1]:5");
        CHECK(surroundings.address().base_url == "http://[::1]:5");
        surroundings.set("DOCKER_HOST", "tcp://a:b");
        CHECK_FALSE(surroundings.find());
    }
    TEST_CASE("headers of the configuration go with every request, unless they are dbuild's own or no headers") {
        Surroundings surroundings;
        surroundings.write("config.json",
                           R"({"HttpHeaders": {"X-Team": "a b", "Host": "elsewhere", "X-Two": "a\r\nb: c",
                                             "content-Type": "text/html", "X:Y": "z", "X-Number": 7}})");
        CHECK(surroundings.address().headers == Words{"X-Team: a b"});
    }
    TEST_CASE("TLS by environment: verified, only encrypted, and where the files are") {
        Surroundings surroundings;
        surroundings.write("certificates/cert.pem", "");
        surroundings.set("DOCKER_CERT_PATH", surroundings.path("certificates").string());
        surroundings.set("DOCKER_TLS_VERIFY", "1");
        CHECK(surroundings.address().base_url == "https://localhost:2376");
        surroundings.set("DOCKER_HOST", "tcp://build.example:2376");
        const auto address = surroundings.address();
        CHECK(address.base_url == "https://build.example:2376");
        CHECK(address.route.tls.ca == surroundings.path("certificates/ca.pem"));
        CHECK(address.route.tls.certificate == surroundings.path("certificates/cert.pem"));
        CHECK(address.route.tls.key.empty());
        CHECK(address.route.tls.verifies);
        surroundings.set("DOCKER_TLS_VERIFY", "");
        CHECK(surroundings.address().base_url == "http://build.example:2376");
        surroundings.set("DOCKER_TLS", "1");
        CHECK(surroundings.address().base_url == "https://build.example:2376");
        CHECK_FALSE(surroundings.address().route.tls.verifies);
    }
    TEST_CASE("TLS files of a context lie beside it") {
        Surroundings surroundings;
        surroundings.add_context("far", "tcp://build.example:2376", R"(,"SkipTLSVerify":false)");
        surroundings.set("DOCKER_CONTEXT", "far");
        CHECK(surroundings.address().base_url == "http://build.example:2376");
        const auto files = "contexts/tls/" + sha256("far").hex() + "/docker/";
        surroundings.write(files + "ca.pem", "");
        CHECK(surroundings.address().base_url == "https://build.example:2376");
        CHECK(surroundings.address().route.tls.ca == surroundings.path(files + "ca.pem"));
        surroundings.add_context("blind", "tcp://build.example:2376", R"(,"SkipTLSVerify":true)");
        surroundings.set("DOCKER_CONTEXT", "blind");
        CHECK(surroundings.address().base_url == "https://build.example:2376");
        CHECK_FALSE(surroundings.address().route.tls.verifies);
    }
    TEST_CASE("SSH goes through docker on the other side") {
        Surroundings surroundings;
        surroundings.set("DOCKER_HOST", "ssh://me@build.example:2222");
        CHECK(surroundings.address().command == Words{"ssh", "-o", "ConnectTimeout=30", "-T", "-l", "me", "-p", "2222",
                                                      "--", "build.example", "docker", "system", "dial-stdio"});
        surroundings.set("DOCKER_HOST", "ssh://[::1]/run/user/1000/docker.sock");
        CHECK(surroundings.address().command == Words{"ssh", "-o", "ConnectTimeout=30", "-T", "--", "::1", "docker",
                                                      "--host=unix:///run/user/1000/docker.sock", "system",
                                                      "dial-stdio"});
        surroundings.set("DOCKER_HOST", "ssh://build.example/a;b");
        CHECK(surroundings.find().error().kind == ErrorKind::unsupported);
        surroundings.set("DOCKER_HOST", "ssh://me:secret@build.example");
        CHECK(surroundings.find().error().message.find("secret") == std::string::npos);
    }
    TEST_CASE("addresses that only docker understands are left to it") {
        Surroundings surroundings;
        surroundings.set("DOCKER_HOST", "npipe:////./pipe/docker_engine");
        CHECK(surroundings.find().error().kind == ErrorKind::unsupported);
    }
    TEST_CASE("children build with the engine's own builder unless another one is named or installed") {
        Surroundings surroundings;
        const auto config = read_docker_config();
        REQUIRE(config);
        surroundings.set("BUILDX_BUILDER", "mine");
        share_with_children(surroundings.address(), *config);
        CHECK(std::getenv("BUILDX_BUILDER") == std::string("mine"));
        surroundings.set("BUILDX_BUILDER", "");
        auto installed = *config;
        installed.builder_alias = "buildx";
        share_with_children(surroundings.address(), installed);
        CHECK(std::getenv("BUILDX_BUILDER") == std::string());
        share_with_children(surroundings.address(), *config);
        CHECK(std::getenv("BUILDX_BUILDER") == std::string("default"));
    }
    TEST_CASE("the builder in use counts only where docker buildx install made it docker's") {
        Surroundings surroundings;
        surroundings.write("buildx/current", R"({"Key":"unix:///var/run/docker.sock","Name":"mine","Global":false})");
        CHECK(read_docker_config()->installed_builder() == "");
        surroundings.write("config.json", R"({"aliases":{"builder":"buildx"}})");
        CHECK(read_docker_config()->installed_builder() == "mine");
    }
    TEST_CASE("plugins are looked for in the folders of the configuration first") {
        Surroundings surroundings;
        const auto own = docker_config_folder() / "cli-plugins";
        using Folders = std::vector<std::filesystem::path>;
        CHECK(read_docker_config()->plugin_folders == Folders{own});
        surroundings.write("config.json", R"({"cliPluginsExtraDirs":["/one","/two"]})");
        CHECK(read_docker_config()->plugin_folders == Folders{"/one", "/two", own});
    }
    TEST_CASE("proxies of the configuration become build arguments, those of the engine first") {
        Surroundings surroundings;
        surroundings.write("config.json", R"({"proxies":{"default":{"httpProxy":"http://p:1","noProxy":"*.test"},
                                                          "tcp://far:1":{"httpsProxy":"http://q:2"}}})");
        const auto config = read_docker_config();
        REQUIRE(config);
        using Arguments = std::map<std::string, std::string>;
        CHECK(config->proxy_arguments("unix:///x") == Arguments{{"HTTP_PROXY", "http://p:1"},
                                                                {"http_proxy", "http://p:1"},
                                                                {"NO_PROXY", "*.test"},
                                                                {"no_proxy", "*.test"}});
        CHECK(config->proxy_arguments("tcp://far:1") ==
              Arguments{{"HTTPS_PROXY", "http://q:2"}, {"https_proxy", "http://q:2"}});
    }
    TEST_CASE("a configuration that is no JSON is docker's to deal with") {
        Surroundings surroundings;
        surroundings.write("config.json", "{");
        const auto config = read_docker_config();
        REQUIRE_FALSE(config);
        CHECK(config.error().kind == ErrorKind::unsupported);
    }
}
