// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/metadata_file.hpp"

#include "cache/oci/reference.hpp"

#include <boost/json.hpp>

namespace json = boost::json;

namespace dbuild::orchestrator {

std::string metadata_json(const ImageReport& image) {
    json::object metadata;
    if (!image.config_digest.empty()) metadata["containerimage.config.digest"] = image.config_digest;
    metadata["containerimage.digest"] = image.id;
    if (image.id == image.digest)
        metadata["containerimage.descriptor"] =
            json::object{{"mediaType", image.media_type}, {"digest", image.digest}, {"size", image.manifest_bytes}};
    std::string names;
    for (const auto& tag : image.tags)
        if (const auto reference = cache::oci::ImageReference::parse(tag))
            names += (names.empty() ? "" : ",") + reference->to_string();
    if (!names.empty()) metadata["image.name"] = names;
    return json::serialize(metadata);
}

std::string metadata_json(const std::map<std::string, std::string>& by_target, std::string_view of_docker) {
    boost::system::error_code error;
    const auto theirs = json::parse(of_docker, error);
    json::object metadata;
    if (!error && theirs.is_object()) metadata = theirs.get_object();
    for (const auto& [target, text] : by_target) metadata[target] = json::parse(text);
    return json::serialize(metadata);
}

} // namespace dbuild::orchestrator
