// SPDX-License-Identifier: Apache-2.0
#include "executors/buildx/progress_stream.hpp"

#include "support/base64.hpp"

#include <boost/json.hpp>

#include <charconv>

namespace json = boost::json;

namespace dbuild::executors::buildx {
namespace {

std::string_view text_of(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

const json::array* array_of(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value ? value->if_array() : nullptr;
}

} // namespace

struct ProgressStream::Impl {
    ProgressSink sink;
    json::stream_parser parser;
    bool is_inside_object = false;
    std::string line;   // of plain text
    std::string object; // what of the current object was read, should it turn out to be text

    void take(const json::value& value) {
        const auto* status = value.if_object();
        if (!status) return;
        if (const auto* vertexes = array_of(*status, "vertexes"))
            for (const auto& item : *vertexes)
                if (const auto* vertex = item.if_object()) {
                    const auto* cached = vertex->if_contains("cached");
                    sink.on_vertex(
                        {std::string(text_of(*vertex, "digest")), std::string(text_of(*vertex, "name")),
                         parse_rfc3339(text_of(*vertex, "started")), parse_rfc3339(text_of(*vertex, "completed")),
                         cached && cached->is_bool() && cached->get_bool(), std::string(text_of(*vertex, "error"))});
                }
        if (const auto* logs = array_of(*status, "logs"))
            for (const auto& item : *logs)
                if (const auto* log = item.if_object())
                    sink.on_output(text_of(*log, "vertex"), base64_decode(text_of(*log, "data")).value_or(""));
    }

    void end_line() {
        if (!line.empty()) sink.on_text(line);
        line.clear();
    }
};

ProgressStream::ProgressStream(ProgressSink sink) : impl_(std::make_unique<Impl>()) { impl_->sink = std::move(sink); }
ProgressStream::~ProgressStream() = default;

void ProgressStream::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        if (!impl_->is_inside_object) {
            const char next = bytes.front();
            if (impl_->line.empty() && next == '{') {
                impl_->is_inside_object = true;
                impl_->parser.reset();
                impl_->object.clear();
                continue;
            }
            bytes.remove_prefix(1);
            if (next == '\n')
                impl_->end_line();
            else if (!impl_->line.empty() || (next != ' ' && next != '\r'))
                impl_->line += next;
            continue;
        }
        boost::system::error_code error;
        const auto used = impl_->parser.write_some(bytes.data(), bytes.size(), error);
        if (error) { // no JSON after all: the rest of the line is text
            impl_->is_inside_object = false;
            impl_->line = impl_->object.empty() ? std::string(1, '{') : impl_->object;
            if (impl_->object.empty()) bytes.remove_prefix(1);
            continue;
        }
        impl_->object += bytes.substr(0, used);
        bytes.remove_prefix(used);
        if (impl_->parser.done()) {
            impl_->take(impl_->parser.release());
            impl_->is_inside_object = false;
        }
    }
}

void ProgressStream::finish() { impl_->end_line(); }

std::optional<VertexNumber> vertex_number(std::string_view name) {
    if (!name.starts_with('[')) return std::nullopt;
    const auto close = name.find(']');
    if (close == name.npos) return std::nullopt;
    auto label = name.substr(1, close - 1);
    if (const auto blank = label.rfind(' '); blank != label.npos) label = label.substr(blank + 1);
    const auto slash = label.find('/');
    if (slash == label.npos) return std::nullopt;
    VertexNumber result;
    const auto read = [](std::string_view digits, std::size_t& value) {
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return error == std::errc() && end == digits.data() + digits.size();
    };
    if (!read(label.substr(0, slash), result.number) || !read(label.substr(slash + 1), result.total))
        return std::nullopt;
    return result;
}

} // namespace dbuild::executors::buildx
