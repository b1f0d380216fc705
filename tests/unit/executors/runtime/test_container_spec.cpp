// SPDX-License-Identifier: Apache-2.0
// The configuration of a container, as runc reads it: what BuildKit's containers have, and nothing that they lack.
#include "executors/runtime/container_spec.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <algorithm>

namespace json = boost::json;
using namespace dbuild;
using namespace dbuild::executors;
using namespace dbuild::executors::runtime;

namespace {

RunCommand command_of(std::vector<std::string> arguments) {
    RunCommand command;
    command.arguments = std::move(arguments);
    command.working_dir = "/work";
    return command;
}

json::value spec_of(const RunCommand& command, std::vector<ContainerMount> mounts = {}) {
    Container container;
    container.command = &command;
    container.user = {1000, 100, {100, 10}, "/home/bob"};
    container.root = "/some/merged";
    container.mounts = std::move(mounts);
    return json::parse(container_spec(container));
}

std::vector<std::string> texts(const json::value& array) { return json::value_to<std::vector<std::string>>(array); }

std::vector<std::string> fields(const json::value& array, std::string_view name) {
    std::vector<std::string> found;
    for (const auto& item : array.as_array()) found.emplace_back(item.at(name).as_string());
    return found;
}

using Texts = std::vector<std::string>;

} // namespace

TEST_SUITE_BEGIN("executors/runtime/container_spec");

TEST_CASE("the process is the command, for its user, in its folder") {
    const auto spec = spec_of(command_of({"/bin/sh", "-c", "echo \"a\\b\"\n"}));
    CHECK(spec.at("ociVersion").as_string() == "1.0.2");
    CHECK(spec.at("hostname").as_string() == "buildkitsandbox");
    CHECK(spec.at("root").at("path").as_string() == "/some/merged");
    CHECK_FALSE(spec.at("root").as_object().contains("readonly"));
    const auto& process = spec.at("process");
    CHECK(texts(process.at("args")) == Texts{"/bin/sh", "-c", "echo \"a\\b\"\n"});
    CHECK(process.at("cwd").as_string() == "/work");
    CHECK(process.at("user").at("uid").to_number<int>() == 1000);
    CHECK(process.at("user").at("gid").to_number<int>() == 100);
    CHECK(process.at("user").at("umask").to_number<int>() == 022);
    CHECK(json::value_to<std::vector<int>>(process.at("user").at("additionalGids")) == std::vector<int>{100, 10});
    CHECK_FALSE(process.as_object().contains("noNewPrivileges")); // sudo and ping work
    CHECK_FALSE(process.as_object().contains("terminal"));
}

TEST_CASE("HOME is the user's where the command has none") {
    auto command = command_of({"true"});
    command.environment = {"PATH=/bin", "HOMER=x"};
    CHECK(texts(spec_of(command).at("process").at("env")) == Texts{"PATH=/bin", "HOMER=x", "HOME=/home/bob"});
    command.environment = {"HOME=/elsewhere", "PATH=/bin"};
    CHECK(texts(spec_of(command).at("process").at("env")) == Texts{"HOME=/elsewhere", "PATH=/bin"});
}

TEST_CASE("capabilities are BuildKit's fourteen, and none is inherited") {
    const auto spec = spec_of(command_of({"true"}));
    const auto& sets = spec.at("process").at("capabilities").as_object();
    auto names = texts(sets.at("bounding"));
    CHECK(texts(sets.at("effective")) == names);
    CHECK(texts(sets.at("permitted")) == names);
    CHECK(sets.size() == 3); // neither inheritable nor ambient
    std::sort(names.begin(), names.end());
    CHECK(names == Texts{"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
                         "CAP_MKNOD", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP",
                         "CAP_SETUID", "CAP_SYS_CHROOT"});
}

TEST_CASE("a network namespace is there only where the command has no network") {
    auto command = command_of({"true"});
    CHECK(fields(spec_of(command).at("linux").at("namespaces"), "type") == Texts{"pid", "ipc", "uts", "mount"});
    command.has_network = false;
    const auto spec = spec_of(command);
    CHECK(fields(spec.at("linux").at("namespaces"), "type") == Texts{"pid", "ipc", "uts", "mount", "network"});
    for (const auto& name : spec.at("linux").at("namespaces").as_array())
        CHECK_FALSE(name.as_object().contains("path")); // a new one
}

TEST_CASE("the mounts of every container come first, then those given, as they are") {
    const auto spec = spec_of(command_of({"true"}), {{"/b", "bind", "/host/b", {"rbind", "ro"}},
                                                     {"/a", "tmpfs", "tmpfs", {"nosuid", "size=5"}}});
    const auto& mounts = spec.at("mounts");
    CHECK(fields(mounts, "destination") ==
          Texts{"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup", "/b", "/a"});
    CHECK(fields(mounts, "type") ==
          Texts{"proc", "tmpfs", "devpts", "tmpfs", "mqueue", "sysfs", "cgroup", "bind", "tmpfs"});
    CHECK(mounts.at(7).at("source").as_string() == "/host/b");
    CHECK(texts(mounts.at(7).at("options")) == Texts{"rbind", "ro"});
    CHECK(texts(mounts.at(8).at("options")) == Texts{"nosuid", "size=5"});
    for (const auto i : {5U, 6U}) { // /sys and the control groups
        const auto options = texts(mounts.at(i).at("options"));
        CHECK(std::count(options.begin(), options.end(), "ro") == 1);
    }
}

TEST_CASE("what tells of the machine is hidden, what changes it is read-only") {
    const auto spec = spec_of(command_of({"true"}));
    auto masked = texts(spec.at("linux").at("maskedPaths"));
    std::sort(masked.begin(), masked.end());
    CHECK(masked == Texts{"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                          "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
                          "/sys/devices/virtual/powercap", "/sys/firmware"});
    auto read_only = texts(spec.at("linux").at("readonlyPaths"));
    std::sort(read_only.begin(), read_only.end());
    CHECK(read_only == Texts{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"});
}

TEST_CASE("every device is denied but for those that runc allows itself") {
    const auto spec = spec_of(command_of({"true"}));
    const auto& rules = spec.at("linux").at("resources").at("devices").as_array();
    REQUIRE(rules.size() == 1);
    CHECK(rules[0].at("allow").as_bool() == false);
    CHECK(rules[0].at("access").as_string() == "rwm");
    CHECK_FALSE(rules[0].as_object().contains("type")); // all of them
    CHECK_FALSE(spec.at("linux").as_object().contains("devices"));
}

TEST_CASE("system calls that are not listed fail with EPERM") {
    const auto spec = spec_of(command_of({"true"}));
    CHECK(spec.at("annotations").at("run.oci.seccomp_bpf_data").as_string().size() > 1000);
    const auto& seccomp = spec.at("linux").at("seccomp");
    CHECK(seccomp.at("defaultAction").as_string() == "SCMP_ACT_ERRNO");
    CHECK(seccomp.at("defaultErrnoRet").to_number<int>() == 1);
    Texts allowed;
    for (const auto& rule : seccomp.at("syscalls").as_array())
        if (rule.at("action").as_string() == "SCMP_ACT_ALLOW")
            for (const auto& name : rule.at("names").as_array()) allowed.emplace_back(name.as_string());
    const auto is_allowed = [&](const char* name) {
        return std::find(allowed.begin(), allowed.end(), name) != allowed.end();
    };
    for (const auto* name : {"execve", "openat", "chroot", "clone", "ptrace"}) CHECK_MESSAGE(is_allowed(name), name);
    for (const auto* name : {"mount", "umount2", "unshare", "setns", "bpf", "keyctl", "add_key", "open_by_handle_at",
                             "init_module", "kexec_load", "reboot", "swapon", "pivot_root", "io_uring_setup",
                             "perf_event_open", "userfaultfd", "clone3", "move_mount", "fsopen"})
        CHECK_MESSAGE(!is_allowed(name), name);
}

TEST_SUITE_END();
