#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The oracle can fail: each kind of wrong tree, configuration, history and step is found, and what may differ is not. Also
that the generator is reproducible. Needs no engine and no dbuild."""
import copy
import hashlib
import io
import json
import os
import random
import tarfile
import tempfile
import unittest

import builds
import compare
import edits
import image
import project
from steps import KINDS


def layer_tar(*members):
    """members: (name, type, data or link target, changes of the header)"""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, data, *changes in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.mtime = kind, 0o755 if kind == tarfile.DIRTYPE else 0o644, 1000
            for key, value in (changes[0] if changes else {}).items():
                setattr(entry, key, value)
            if kind == tarfile.REGTYPE:
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
            else:
                entry.linkname = data
                archive.addfile(entry)
    return out.getvalue()


FOLDER, FILE, SYMLINK, HARDLINK = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
LAYERS = [layer_tar(("d/", FOLDER, ""), ("d/old", FILE, b"old"), ("d/gone", FILE, b"x"), ("touched/", FOLDER, ""), ("touched/t", FILE, b"t")),
          layer_tar(("d/.wh.gone", FILE, b""), ("d/one", FILE, b"1"), ("d/two", HARDLINK, "d/one"), ("d/link", SYMLINK, "one"))]
CONFIG = {"architecture": "amd64", "created": "2026-01-01T00:00:00Z", "config": {"Env": ["A=1", "B=2"], "Cmd": ["x"]},
          "history": [{"created_by": "RUN /bin/sh -c one"}, {"created_by": "ENV A=1", "empty_layer": True}, {"created_by": "RUN /bin/sh -c two"}]}


def make_image(layers=LAYERS, config=CONFIG):
    """Through the archive form, so that the reader is tested too."""
    blobs, descriptors = {}, []
    def add(data):
        digest = hashlib.sha256(data).hexdigest()
        blobs["blobs/sha256/" + digest] = data
        return {"digest": "sha256:" + digest}
    descriptors = [add(data) for data in layers]
    manifest = add(json.dumps({"config": add(json.dumps(config).encode()), "layers": descriptors}).encode())
    blobs["index.json"] = json.dumps({"manifests": [manifest]}).encode()
    return image.read_archive(layer_tar(*((name, FILE, data) for name, data in blobs.items())))


def with_config(**changes):
    return make_image(config={**CONFIG, **changes})


class Images(unittest.TestCase):
    def assert_found(self, other, *words):
        lines = compare.compare_images(make_image(), other)
        self.assertEqual(len(lines), 1, lines)
        for word in words:
            self.assertIn(word, lines[0])

    def second_layer(self, *members):
        return make_image([LAYERS[0], layer_tar(*members)])

    usual = [("d/.wh.gone", FILE, b""), ("d/one", FILE, b"1"), ("d/two", HARDLINK, "d/one"), ("d/link", SYMLINK, "one")]

    def test_equal_images_have_no_findings(self):
        self.assertEqual(compare.compare_images(make_image(), make_image()), [])

    def test_times_outside_the_timed_folder_do_not_count(self):
        later = layer_tar(("d/.wh.gone", FILE, b""), ("d/one", FILE, b"1", {"mtime": 5}), *self.usual[2:])
        self.assertEqual(compare.compare_images(make_image(), with_config(created="2027-01-01T00:00:00Z")), [])
        self.assertEqual(compare.compare_images(make_image(), make_image([LAYERS[0], later])), [])

    def test_other_bytes_of_the_same_size(self):
        link = make_image([LAYERS[0], layer_tar(self.usual[0], ("d/one", FILE, b"2"), *self.usual[2:])])
        self.assertEqual(len(compare.compare_trees(make_image(), link)), 2)  # d/one and its hard link
        self.assertIn("/d/one: digest; dbuild: file 0644 0:0 1 bytes b'1'", compare.compare_trees(make_image(), link)[0])

    def test_mode_owner_target_and_extended_attributes(self):
        self.assert_found(self.second_layer(*self.usual, ("d/", FOLDER, "", {"mode": 0o700})), "/d: mode", "0700")
        self.assert_found(self.second_layer(*self.usual, ("d/", FOLDER, "", {"uid": 7})), "/d: owner", "7:0")
        self.assert_found(self.second_layer(*self.usual[:3], ("d/link", SYMLINK, "two")), "/d/link: target", "→ two")
        attributes = {"pax_headers": {"SCHILY.xattr.user.note": "n"}}
        self.assert_found(self.second_layer(*self.usual, ("d/", FOLDER, "", attributes)), "/d: xattrs", "user.note")

    def test_missing_and_additional_paths(self):
        self.assert_found(self.second_layer(*self.usual[:3]), "/d/link: presence", "--no-cache: absent")
        self.assert_found(self.second_layer(*self.usual[1:]), "/d/gone: presence", "dbuild: absent")

    def test_a_kind_that_changed_and_a_broken_hard_link(self):
        self.assert_found(self.second_layer(*self.usual[:3], ("d/link", FOLDER, "", {"mode": 0o777})), "/d/link: ", "kind")
        copies = self.second_layer(*self.usual[:2], ("d/two", FILE, b"1"), self.usual[3])
        self.assertEqual([line.split(" ")[1] for line in compare.compare_images(make_image(), copies)], ["/d/one:", "/d/two:"])

    def test_times_that_commands_set(self):
        touched = layer_tar(("d/", FOLDER, ""), ("d/old", FILE, b"old"), ("d/gone", FILE, b"x"), ("touched/", FOLDER, "", {"mtime": 3}),
                            ("touched/t", FILE, b"t", {"mtime": 2000}))
        self.assert_found(make_image([touched, LAYERS[1]]), "/touched/t: modification time")

    def test_an_opaque_folder_and_a_file_in_the_place_of_a_folder(self):
        self.assertEqual(sorted(self.second_layer(("d/.wh..wh..opq", FILE, b""), ("d/new", FILE, b"n")).tree), ["d", "d/new", "touched", "touched/t"])
        self.assertEqual(sorted(self.second_layer(("d", FILE, b"file")).tree), ["d", "touched", "touched/t"])

    def test_another_layer_count(self):
        self.assert_found(make_image([*LAYERS, layer_tar(("d/", FOLDER, ""))]), "dbuild made 2 layers, buildx 3")

    def test_configuration(self):
        self.assert_found(with_config(config={"Env": ["B=2", "A=1"], "Cmd": ["x"]}), "config.config.Env")
        self.assert_found(with_config(config={"Env": ["A=1", "B=2"], "Cmd": ["x"], "User": "app"}), "config.config.User", "'app'")
        self.assert_found(with_config(architecture="arm64"), "config.architecture")

    def test_a_label_that_buildkit_takes_from_a_stage_beside(self):
        def of(target):
            labelled = project.Stage(1, "labelled", 0, [project.Step("cache", "RUN true\nLABEL between=pair\nRUN true")])
            return project.Project("x", [project.Stage(0, "base", "busybox"), labelled, project.Stage(2, "beside", 0), project.Stage(3, "child", 1)],
                                   target=target)
        line = "config.config.Labels.between: dbuild: None, buildx --no-cache: 'pair'"
        self.assertTrue(compare.leaked(line, of(2)))
        self.assertFalse(compare.leaked(line, of(1)))
        self.assertFalse(compare.leaked(line, of(3)))
        self.assertFalse(compare.leaked(line.replace("between", "other"), of(2)))
        self.assertFalse(compare.leaked(line.replace("None", "'old'"), of(2)))

    def test_history(self):
        first, env, second = CONFIG["history"]
        self.assert_found(with_config(history=[first, {**env, "created_by": "ENV A=2"}, second]), "history 1", "ENV A=2")
        self.assert_found(with_config(history=[{**first, "empty_layer": True}, env, second]), "history 0")
        self.assert_found(with_config(history=[first, env]), "3 entries, buildx 2")
        self.assert_found(with_config(history=[first, {**env, "comment": "c"}, second]), "history 1")

    def test_only_the_texts_of_the_decision_are_taken_out(self):
        same = [("RUN |2 A=1 B=two words /bin/sh -c make", "RUN |1 A=1 /bin/sh -c make"), ("RUN |1 A=1 echo x", "RUN echo x"),
                ("ARG A=1", "ARG A"), ("EXPOSE map[80/tcp:{} 90/udp:{}]", "EXPOSE [90/udp 80/tcp]"),
                ('HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" \'\\x00\'}', "HEALTHCHECK {Test:[NONE] Interval:0s Retries:0}")]
        for one, other in same:
            self.assertEqual(compare.normal_text(one), compare.normal_text(other))
        for one, other in [("RUN |1 A=1 /bin/sh -c a", "RUN |1 A=1 /bin/sh -c b"), ("ENV A=1", "ENV A=2"), ("EXPOSE [80/tcp]", "EXPOSE [81/tcp]")]:
            self.assertNotEqual(compare.normal_text(one), compare.normal_text(other))


class Excess(unittest.TestCase):
    raw = """warning: not JSON
{
  "vertexes": [
    {"digest": "sha256:1", "name": "[build 2/3] COPY . /src", "started": "t", "completed": "t", "cached": true},
    {"digest": "sha256:2", "name": "[build 3/3] RUN make", "started": "t"}
  ]
}
{
  "vertexes": [
    {"digest": "sha256:2", "name": "[build 3/3] RUN make", "started": "t", "completed": "t"},
    {"digest": "sha256:3", "name": "[stage-1 1/1] RUN test", "started": "t", "completed": "t", "cached": true},
    {"digest": "sha256:4", "name": "[internal] load build context", "started": "t", "completed": "t"}
  ]
}
"""

    def excess(self, *statuses):
        texts = [("build", 1, "COPY . /src"), ("build", 2, "ENV A=1"), ("build", 3, "run make"), ("stage-1", 1, "RUN test")]
        steps = [{"stage": stage, "position": position, "text": text, "status": status, "reason": "why", "key": text}
                 for (stage, position, text), status in zip(texts, statuses)]
        return compare.find_excess({"steps": steps}, builds.read_rawjson(self.raw))

    def test_rawjson_is_read_over_several_documents(self):
        self.assertEqual(builds.read_rawjson(self.raw), {"[build 2/3] COPY . /src": False, "[build 3/3] RUN make": True,
                                                         "[stage-1 1/1] RUN test": False, "[internal] load build context": True})

    def test_a_step_that_both_ran_is_no_finding(self):
        self.assertEqual(self.excess("hit", "metadata", "ran", "hit"), [])
        self.assertEqual(self.excess("hit", "metadata", "hit", "skipped"), [])

    def test_a_step_that_buildkit_had_cached_is_a_finding(self):
        lines = self.excess("ran", "metadata", "ran", "hit")
        self.assertEqual(len(lines), 1)
        self.assertIn("[build 2] 'COPY . /src' (why); warm BuildKit answered it from its cache", lines[0])
        # The base of this stage is a stage: BuildKit counts its steps from 1.
        self.assertIn("[stage-1 1] 'RUN test'", self.excess("hit", "metadata", "ran", "ran")[0])

    def test_a_step_that_buildkit_does_not_have_is_a_finding(self):
        report = {"steps": [{"stage": "other", "position": 1, "text": "RUN x", "status": "ran", "reason": "why", "key": "k"}]}
        self.assertIn("has no such step", compare.find_excess(report, builds.read_rawjson(self.raw))[0])

    def test_a_layer_that_the_test_took_away_may_be_made_again(self):
        steps = [{"stage": "build", "position": 1, "text": "COPY . /src", "status": "ran", "reason": compare.LOST, "key": "k"}]
        vertices = {"[build 2/2] COPY . /src": False}
        self.assertEqual(compare.find_excess({"steps": steps}, vertices, was_evicted=True), [])
        self.assertEqual(len(compare.find_excess({"steps": steps}, vertices)), 1)
        steps[0]["reason"] = "first build"
        self.assertEqual(len(compare.find_excess({"steps": steps}, vertices, was_evicted=True)), 1)

    def test_what_makes_no_layer_has_no_number(self):
        texts = [("RUN a", "hit"), ("WORKDIR /", "metadata"), ("RUN b", "ran")]
        steps = [{"stage": "build", "position": i, "text": text, "status": status, "reason": "why", "key": text} for i, (text, status) in enumerate(texts)]
        vertices = {"[build 2/4] RUN a": False, "[build 3/4] RUN b": True}
        self.assertEqual(compare.find_excess({"steps": steps}, vertices), [])
        vertices["[build 3/4] RUN b"] = False
        self.assertIn("[build 3] 'RUN b'", compare.find_excess({"steps": steps}, vertices)[0])

    def test_what_buildkit_found_by_content_is_no_finding(self):
        for mount, found in (("type=secret,id=s", 0), ("type=ssh", 0), ("type=tmpfs,target=/t", 2)):
            texts = ("RUN a", f"RUN --mount={mount} b", "RUN c")
            steps = [{"stage": "build", "position": i, "text": text, "status": "ran", "reason": "why", "key": text} for i, text in enumerate(texts)]
            vertices = {f"[build {i}/4] {text}": text == "RUN a" for i, text in enumerate(texts, 2)}
            self.assertEqual(len(compare.find_excess({"steps": steps}, vertices)), found)
            vertices["[build 2/4] RUN a"] = False
            self.assertEqual(len(compare.find_excess({"steps": steps}, vertices)), 3)

    def test_what_stands_on_what_buildkit_found_by_content_is_no_finding(self):
        def step(stage, text, reason="why"):
            return {"stage": stage, "position": 1, "text": text, "status": "ran", "reason": reason, "key": stage + text}
        steps = [step("final", "RUN c", "earlier step: in stage extra; cache mount"), step("final", "RUN d"),
                 step("extra", "RUN a"), step("extra", "RUN --mount=type=ssh b")]
        vertices = {"[extra 2/3] RUN a": True, "[extra 3/3] RUN --mount=type=ssh b": False,
                    "[final 1/2] RUN c": False, "[final 2/2] RUN d": False}
        self.assertEqual(compare.find_excess({"steps": steps}, vertices), [])
        steps[0]["reason"] = "earlier step: in stage other"
        self.assertEqual(len(compare.find_excess({"steps": steps}, vertices)), 2)

    def test_a_step_that_two_stages_share_may_run_in_the_name_of_either(self):
        vertices = {"[one 2/2] RUN x": False, "[two 2/2] RUN x": True}
        steps = [{"stage": stage, "position": 1, "text": "RUN x", "status": status, "reason": "why", "key": "k"}
                 for stage, status in (("one", "ran"), ("two", "hit"))]
        self.assertEqual(compare.find_excess({"steps": steps}, vertices), [])
        steps[0]["key"] = "another"
        self.assertEqual(len(compare.find_excess({"steps": steps}, vertices)), 1)


class Generator(unittest.TestCase):
    def states(self, seed, count=40):
        numbers = random.Random(seed)
        state = edits.make_project(numbers, "r", KINDS, 1)
        past, what = [], ["first"]
        for _ in range(count):
            past.append(state)
            state, text = edits.edit_project(numbers, state, past, KINDS, sorted({*edits.EDITS, "revert"}), 1)
            what.append(text)
        return [*past, state], what

    def test_the_same_seed_gives_the_same_projects_and_edits(self):
        self.assertEqual(self.states(5), self.states(5))
        self.assertNotEqual(self.states(5)[0], self.states(6)[0])

    def test_every_kind_of_edit_and_step_occurs_and_no_mark_is_left_in_a_dockerfile(self):
        seen, kinds = set(), set()
        for seed in range(25):
            states, what = self.states(seed)
            seen |= {text.split(":")[0].split(" to ")[0] for text in what}
            for state in states:
                self.assertNotRegex(state.dockerfile(), r"@[a-z_]+@")
                kinds |= {step.kind for stage in state.stages for step in stage.steps}
        self.assertEqual({*edits.EDITS, "back"} - seen, set())
        self.assertEqual({*KINDS} - kinds, set())

    def test_the_folder_of_a_state_does_not_depend_on_the_states_before(self):
        states, _ = self.states(3, 200)
        with tempfile.TemporaryDirectory() as folder:
            written = {}
            for state in states:
                project.write_folder(folder + "/edited", written, state.all_files())
                written = copy.deepcopy(state.all_files())
            project.write_folder(folder + "/new", {}, states[-1].all_files())
            self.assertEqual(self.listing(folder + "/edited"), self.listing(folder + "/new"))

    def test_size_and_time_stay_where_the_edit_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            before = {"f": project.File(data=b"one")}
            project.write_folder(folder, {}, before)
            status = os.stat(folder + "/f")
            project.write_folder(folder, before, {"f": project.File(data=b"two", keeps_time=True)})
            after = os.stat(folder + "/f")
            self.assertEqual((status.st_size, status.st_mtime_ns), (after.st_size, after.st_mtime_ns))
            with open(folder + "/f", "rb") as file:
                self.assertEqual(file.read(), b"two")

    @staticmethod
    def listing(folder):
        result = {}
        for place, folders, files in os.walk(folder):
            for name in folders + files:
                path = os.path.join(place, name)
                status = os.lstat(path)
                if os.path.islink(path):
                    content = os.readlink(path)
                elif name in folders:
                    content = "folder"
                else:
                    with open(path, "rb") as file:
                        content = file.read()
                links = status.st_nlink if name in files else 0
                result[os.path.relpath(path, folder)] = (status.st_mode, content, links)
        return result


class RefusedWildcard(unittest.TestCase):
    def output(self, step, path):
        return f'{{"name": "[4/4] {step}", "started": "x", "error": "lstat /tmp/b/data/tmp/buildkit-mount3635/{path}: no such file or directory"}}'

    def test_pattern_in_a_folder_that_was_not_sent(self):
        self.assertTrue(compare.refused_wildcard(self.output("COPY src/s* conf /in/", "src")))

    def test_other_failures_are_findings(self):
        self.assertFalse(compare.refused_wildcard(self.output("COPY src/sub conf /in/", "src/sub")))
        self.assertFalse(compare.refused_wildcard(self.output("COPY src/s* conf /in/", "conf")))
        self.assertFalse(compare.refused_wildcard("ERROR: failed to solve"))


if __name__ == "__main__":
    unittest.main()
