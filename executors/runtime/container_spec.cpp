// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime/container_spec.hpp"

#include "executors/runtime/seccomp.hpp" // generated from seccomp.json

#include <boost/json.hpp>

#include <algorithm>
#include <sys/resource.h>

namespace json = boost::json;

namespace dbuild::executors::runtime {
namespace {

/// crun compiles a profile for as long as all else takes that it does; so it is given the result. runc ignores that.
constexpr const char* k_filter_annotation = "run.oci.seccomp_bpf_data";

constexpr rlim_t k_open_files = 1048576; // at most; whatever the shell of the caller allows itself

const json::array& capabilities() {
    static const json::array names = {"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
                                      "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
                                      "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
                                      "CAP_KILL",    "CAP_AUDIT_WRITE"};
    return names;
}

json::array to_json(std::span<const std::string> texts) {
    json::array array;
    for (const auto& text : texts) array.emplace_back(text);
    return array;
}

json::object to_json(const ContainerMount& mount) {
    return {{"destination", mount.destination},
            {"type", mount.type},
            {"source", mount.source},
            {"options", to_json(mount.options)}};
}

const std::vector<ContainerMount>& mounts_of_every_container() {
    static const std::vector<ContainerMount> mounts = {
        {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
        {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
        {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
        {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
        {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
        {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
        {"/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"}}};
    return mounts;
}

json::object open_files_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const auto count = static_cast<std::uint64_t>(std::min(limit.rlim_max, k_open_files));
    return {{"type", "RLIMIT_NOFILE"}, {"hard", count}, {"soft", count}};
}

json::object process_of(const Container& container) {
    const auto& command = *container.command;
    auto environment = to_json(command.environment);
    const bool has_home = std::any_of(command.environment.begin(), command.environment.end(),
                                      [](const auto& entry) { return entry.starts_with("HOME="); });
    if (!has_home) environment.emplace_back("HOME=" + container.user.home);
    json::array groups(container.user.groups.begin(), container.user.groups.end());
    return {
        {"user",
         {{"uid", container.user.uid}, {"gid", container.user.gid}, {"umask", 022}, {"additionalGids", groups}}},
        {"args", to_json(command.arguments)},
        {"env", std::move(environment)},
        {"cwd", command.working_dir},
        {"rlimits", json::array{open_files_limit()}},
        {"capabilities", {{"bounding", capabilities()}, {"effective", capabilities()}, {"permitted", capabilities()}}}};
}

json::object linux_of(const Container& container) {
    json::array namespaces;
    for (const auto* type : {"pid", "ipc", "uts", "mount"}) namespaces.push_back(json::object{{"type", type}});
    if (!container.command->has_network) namespaces.push_back(json::object{{"type", "network"}});
    return {
        {"resources", {{"devices", json::array{json::object{{"allow", false}, {"access", "rwm"}}}}}},
        {"namespaces", std::move(namespaces)},
        {"maskedPaths",
         {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/scsi"}},
        {"readonlyPaths", {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}},
        {"seccomp", json::parse(k_seccomp)}};
}

} // namespace

std::string container_spec(const Container& container) {
    json::array mounts;
    for (const auto& mount : mounts_of_every_container()) mounts.push_back(to_json(mount));
    for (const auto& mount : container.mounts) mounts.push_back(to_json(mount));
    return json::serialize(json::object{{"ociVersion", "1.0.2"},
                                        {"process", process_of(container)},
                                        {"root", {{"path", container.root.string()}}},
                                        {"hostname", "buildkitsandbox"},
                                        {"mounts", std::move(mounts)},
                                        {"linux", linux_of(container)},
                                        {"annotations", {{k_filter_annotation, k_seccomp_filter}}}});
}

} // namespace dbuild::executors::runtime
