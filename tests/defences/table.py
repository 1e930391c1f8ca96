"""The rows S1 to S24 of docs/threat-model.md: how each defence is taken out, and what notices."""

from __future__ import annotations

from typing import NamedTuple


class Taken(NamedTuple):
    """A defence, taken out: *old* stands once in *file* and becomes *new*; then *test* fails."""

    file: str
    old: str
    new: str
    test: str


_FILES = "tests/test_files_sink.py::"
_NAMES = "tests/test_files_names.py::"
_SHAKE = "tests/test_handshake.py::"
_SEED = "tests/test_seed_steps.py::"
_THREATS = "tests/test_threats.py::"

ROWS: dict[str, tuple[Taken, ...]] = {
    "S1": (
        Taken(
            "croc_core/handshake.py",
            "    if suite.reflected(mine, theirs):",
            "    if False:",
            _SHAKE + "test_a_reflected_share_is_refused",
        ),
        Taken(
            "croc_core/pake/siec.py",
            " or (y * y - x * x * x - B) % P:",
            ":",
            "tests/test_pake.py::test_points_of_the_twist_are_refused",
        ),
        Taken(
            "croc_core/pake/x25519.py",
            "if hmac.compare_digest(k, bytes(32)):",
            "if False:",
            "tests/test_pake.py::test_x25519_a_zero_result_is_refused_even_where_the_library_lets"
            "_it_pass",
        ),
    ),
    "S2": (
        Taken(
            "backends/files/judge.py",
            "        if self._policy in (Policy.SKIP, Policy.RENAME):",
            "        if False:",
            _FILES + "test_the_policies",
        ),
    ),
    "S3": (
        Taken(
            "backends/_session.py",
            "    channel = None if code is None else code.channel",
            '    channel = phrase.split("-")[0]',
            _THREATS + "test_S3_the_relay_sees_nothing_of_the_secret_and_no_function_of_it",
        ),
    ),
    "S4": (
        Taken(
            "backends/_http_client.py",
            '            ("Host", authority),',
            '            ("Host", authority), ("X-Local", "127.0.0.1"),',
            _THREATS + "test_S4_the_relay_sees_no_local_address_and_no_name_of_person_or_computer",
        ),
    ),
    "S5": (
        Taken(
            "backends/files/offer.py",
            'if not self._attended and parts[0].name.startswith(b"."):',
            "if False:",
            _FILES + "test_hidden_names_need_somebody_who_looks",
        ),
    ),
    "S6": (
        Taken(
            "backends/_show.py",
            "    if c.isprintable() and c not in _UNSEEN:",
            "    if True:",
            "tests/test_files_show.py::test_whatever_comes_is_one_harmless_line",
        ),
    ),
    "S7": (
        Taken(
            "backends/_cli_run.py",
            'args.code or _cli_options.env("CROC_CODE")',
            "args.code",
            "tests/test_cli.py::test_a_file_goes_through",
        ),
        Taken(
            "croc_core/values.py",
            '    hidden = ("reveal",)\n',
            "",
            _SHAKE + "test_no_secret_is_shown",
        ),
    ),
    "S8": (
        Taken(
            "backends/files/names.py",
            '    if text in (".", ".."):',
            "    if False:",
            _NAMES + "test_refused",
        ),
        Taken(
            "backends/files/names.py",
            '    if "\\\\" in text or ":" in text:',
            "    if False:",
            _NAMES + "test_refused",
        ),
    ),
    "S9": (
        Taken(
            "backends/files/confine.py",
            "_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC",
            "_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC",
            _FILES + "test_a_folder_swapped_for_a_link",
        ),
    ),
    "S10": (
        Taken(
            "backends/files/names.py",
            'if folded.partition(".")[0].rstrip(" ") in _DEVICES:',
            "if False:",
            _NAMES + "test_refused",
        ),
        Taken(
            "backends/files/names.py",
            'unicodedata.normalize("NFD", text).casefold()',
            "text",
            _NAMES + "test_names_that_some_system_takes_for_one_fold_alike",
        ),
    ),
    "S11": (
        Taken(
            "backends/files/writing.py",
            "PART, 0o600, dir_fd=folder",
            "PART, 0o644, dir_fd=folder",
            _FILES + "test_while_it_grows_it_is_hidden_and_private",
        ),
    ),
    "S12": (
        Taken(
            "croc_core/messages.py",
            "        if length > MAX_CONTROL:",
            "        if False:",
            "tests/test_messages.py::test_heads_are_judged_before_anything_is_read",
        ),
    ),
    "S13": (
        Taken(
            "croc_core/parser.py",
            "        if len(plain) != length:",
            "        if False:",
            "tests/test_parser.py::test_an_inflated_piece_of_another_length_is_refused",
        ),
    ),
    "S14": (
        Taken(
            "croc_core/links.py",
            "now.mono + self._limits.handshake_timeout)",
            "now.mono + 1e9)",
            "tests/test_relay_links.py::test_a_slow_link_is_told_so",
        ),
        Taken(
            "backends/_relay_node.py",
            "        if web.server.begun and not web.begun and not web.sending:",
            "        if web.server.begun and not web.sending:",
            "tests/test_relay_node.py::test_dripping_bytes_does_not_move_the_deadline_of_a_request",
        ),
        Taken(
            "croc_core/relay.py",
            "        if len(book.locals) >= self.limits.max_channels:",
            "        if False:",
            "tests/test_relay.py::test_open_channels_are_limited_for_each_address_and_in_all",
        ),
        Taken(
            "backends/_relay_node.py",
            "        busy = self._counts.total >= self._limits.most",
            "        busy = False",
            "tests/test_relay_node.py::test_too_many_connections_are_told_so_and_then_closed",
        ),
    ),
    "S15": (
        Taken(
            "backends/_sockets.py",
            "        sock.bind(address)\n        sock.listen",
            '        sock.bind(("", address[1]))\n        sock.listen',
            "tests/test_loop.py::test_the_bound_address_is_the_one_that_was_asked_for",
        ),
    ),
    "S16": (
        Taken(
            "croc_core/handshake.py",
            'where = (b"ch", channel.encode(), b"suite"',
            'where = (b"ch", b"", b"suite"',
            _SHAKE + "test_crossed_secrets_and_channels_fail",
        ),
    ),
    "S17": (
        Taken(
            "croc_core/relay.py",
            "        if channel is None:\n            return NO_SUCH_CHANNEL\n",
            "        if channel is None:\n            self._timers.set(AskTimer(event.ask), 1e9)\n"
            "            return NO_SUCH_CHANNEL\n",
            "tests/test_relay.py::test_unknown_channels_leave_memory_flat",
        ),
    ),
    "S18": (
        Taken(
            "backends/files/confine.py",
            "            return os.open(name, SEARCH, dir_fd=above)\n        except FileNotFound",
            "            found = os.open(name, SEARCH, dir_fd=above)\n"
            "            self.made.append(row)\n            return found\n"
            "        except FileNotFound",
            _FILES + "test_abandon_keeps_what_can_be_used_and_removes_the_rest",
        ),
    ),
    "S19": (
        Taken(
            "croc_core/sender_judge.py",
            "        return AnswerBad(failures.wrong_code_sender())",
            "        return None",
            _SEED + "test_S19_a_wrong_code_burns_the_code_and_both_are_told",
        ),
    ),
    "S20": (
        Taken(
            "croc_core/handshake.py",
            "    if not _same(session.hh_k, hh_k):",
            "    if False:",
            _SHAKE + "test_crossed_secrets_and_channels_fail",
        ),
        Taken(
            "croc_core/handshake.py",
            "        return hmac.compare_digest(expected, b64url_decode(posted))",
            "        return bool(b64url_decode(posted))",
            "tests/test_discovery.py::test_S20_who_answers_in_anothers_name_is_not_the_other_side",
        ),
        Taken(
            "backends/_discovery.py",
            "        if len(places) != 1:",
            "        if not places:",
            "tests/test_cli_more.py::test_a_search_needs_one_answer",
        ),
    ),
    "S21": (
        Taken(
            "backends/_peers.py",
            "        while len(hops) > 1 and self.trusts(hops[-1]):",
            "        while len(hops) > 1:",
            "tests/test_relay_node.py::test_the_address_that_a_stranger_claims_does_not_count",
        ),
        Taken(
            "backends/_relay_node.py",
            "        proxied = self._addresses.trusts(event.peer)",
            "        proxied = True",
            "tests/test_proxy_protocol.py::test_who_is_not_listed_is_refused_with_a_header",
        ),
    ),
    "S22": (
        Taken(
            "croc_core/machine.py",
            "        patient = self._since + self._patience[kind]",
            "        patient = self._since + 1e9",
            _SEED + "test_S24_a_peer_that_vanishes_at_every_state",
        ),
    ),
    "S23": (
        Taken(
            "backends/files/writing.py",
            "            if useful:\n",
            "            if False:\n",
            _FILES + "test_abandon_keeps_what_can_be_used_and_removes_the_rest",
        ),
    ),
    "S24": (
        Taken(
            "backends/files/sink.py",
            "        if self._lacking:\n            raise RemoteProtocolError(",
            "        if False:\n            raise RemoteProtocolError(",
            _FILES + "test_what_is_missing_at_the_end_is_told",
        ),
    ),
}
