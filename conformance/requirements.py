# ruff: noqa: E501
"""Every requirement of docs/protocol.md, word for word. Made by docs/make_requirements.py."""

from __future__ import annotations

_TEXT = r"""
ENC-1 Values that are posted MUST be canonical base64url without padding (RFC 4648 section 5): no other characters, no impossible length, and unused bits zero; a party refuses anything else.
ENC-2 A party that splits an `lv_cat` MUST refuse a truncated part, a length that is not in its shortest form, a length of more than 28 bits, and bytes after the last part.
ENC-3 Everything in MessagePack MUST be exactly one value of the given layout: another type, a missing or further array element and bytes after the value are refused (text is `str`, bytes are `bin`; any width of integer is read).
HTTP-1 A relay MUST answer `POST /join` and `POST /channel`, any other path with 404 `no_route`, and any other method on these with 405 `method`, each with a JSON body (`OPTIONS` and `GET /data` are reserved and for now no exception).
HTTP-2 A relay MUST refuse a request whose body is not one JSON object of the given fields and types, or that has a field not named here, with 400 `malformed`.
HTTP-3 A party MUST ignore fields of a reply, and kinds of data endpoint, that it does not know.
HTTP-4 A relay MUST take a body of 8,192 bytes and refuse one over its limit (`--max-body`) with 413 `too_large`, as soon as its length is known.
HTTP-5 A relay MUST give each request one absolute deadline, from its first byte to its last, and answer 408 `too_slow` when that passes.
HTTP-6 A relay MUST refuse a header block over its limit (16,384 bytes are enough) with 431 `headers`.
HTTP-7 A relay SHOULD keep the connection for further requests and answer pipelined ones one at a time, in order.
HTTP-8 A party MUST bound what it reads of a reply; 65,536 bytes of body suffice for every reply of version 1.
HTTP-9 A refused request MUST NOT change anything: it takes no seat and no address slot, sets no value, and makes no state that outlives it.
HTTP-10 A party MUST be able to repeat any request after a lost reply, and does so with the same fields and the same nonce.
HTTP-11 A relay MUST check a request in this order and answer with the first that fails: syntax, version, token, rate, existence, closed, address, uuid, role, turn (for a join: address, then the seat, then the curve).
JOIN-1 A sender's join without `channel` MUST open a new channel with a name that the relay picks (CODE-5).
JOIN-2 A sender's join with `channel` MUST open that channel, or be refused with 409 `occupied` where it is open, or 410 `closed` where its tombstone stands.
JOIN-3 A recipient's join without `channel` MUST be refused with 400 `malformed`.
JOIN-4 A recipient's join of a channel that does not exist MUST be refused with 404 `no_such_channel`, and no state is made for it.
JOIN-5 A join of a seat that is taken MUST be refused with 409 `occupied`.
JOIN-6 A recipient's join with a `curve` other than the channel's MUST be refused with 409 `curve`.
JOIN-7 A relay MUST give a channel the curve of its sender's join, or `x25519` where that named none; it takes any name of the given syntax, for it knows of no curve.
JOIN-8 A relay MUST make each uuid of 16 bytes that nobody can guess, and show it only in the reply to the join that it belongs to.
JOIN-9 A join with the `nonce`, role, channel and address of an earlier join whose channel is open MUST get the first reply again, byte for byte, and take nothing (a sender's join that named no channel is found by nonce and address).
JOIN-10 A party MUST send a fresh random nonce with each new join and the same nonce with a repeat.
JOIN-11 A relay MUST answer a `protocol` that it does not speak with 426 `version` and a message that names what it speaks.
JOIN-12 A relay SHOULD limit open channels, in all (503 `busy`) and for each address (429 `too_many`), and the joins of an address in a minute (429 `too_many` with Retry-After).
JOIN-13 A party MUST treat a reply as a fault of the relay where its role, its channel or (a sender's) its curve is not what was asked for, or where it has no data endpoint of a known kind.
CHAN-1 A relay MUST take at most one action in a request: `x` (with or without `curve`), `y` with `hh_k`, `h_k`, or `close` (with or without `reason`); any other mix is 400 `malformed`.
CHAN-2 Each request MUST carry the channel's name and the asker's uuid; the wrong uuid is 403 `not_yours`, compared in constant time.
CHAN-3 A relay MUST refuse an action of the wrong role, or before its turn, with 409 `out_of_turn`: `x` and `h_k` are the sender's, `y` with `hh_k` the recipient's; `y` needs `x`, and `h_k` needs `y`.
CHAN-4 Posting the value that is set already, by its owner, MUST be 200 and change nothing, at any later time while the channel is open.
CHAN-5 Posting another value than the one that is set MUST be 409 `already_set` and change nothing.
CHAN-6 A relay MUST check a value's type, alphabet and length and no more: it can tell neither a right `hh_k` nor a right `h_k`.
CHAN-7 A recipient's request that has no action, before `x` is set, MUST be 404 `no_x_yet`, after the wait where one was asked.
CHAN-8 A `curve` beside `x` that is not the channel's MUST be 409 `curve`.
CHAN-9 `seq` MUST grow with every change of the channel, among them a seat taken, an address that got in, a value set and a stapling, and stay the same otherwise.
CHAN-10 `stapled` MUST stay true once it is, and `staplings` count each pairing of a port.
CHAN-11 A relay MUST answer a reader with the values as they were posted, character for character.
CHAN-12 A party SHOULD treat a reply to its own post that does not show the value that it posted as a fault of the relay.
WAIT-1 A request with `wait` MUST be answered as soon as the channel's `seq` is above `since` (above the `seq` it came at, without `since`), or after `wait` seconds with 200 and the same `seq`.
WAIT-2 A request with both an action and `wait` MUST take the action first.
WAIT-3 A relay MUST hold at most one request of each uuid; a newer one that waits releases the older with the state as it is.
WAIT-4 A recipient's wait before `x` MUST end with `x`, with the close, or with its time, and with no other change.
WAIT-5 A close MUST release every waiter at once with 410 `closed`.
WAIT-6 A held request MUST cost the relay nothing once its connection is gone.
WAIT-7 A party SHOULD wait with long polls (`since`, `wait`) and, where a relay answers at once without news, pause before it asks again.
CLOSE-1 Either member MUST be able to close the channel at any time; nobody else can.
CLOSE-2 A closed channel MUST give back all that it held: values, waiters, pending data connections and staplings, which are cut at once.
CLOSE-3 A relay MUST keep a tombstone (name, uuids, who closed it, the reason) of a closed channel for 10 minutes, and fewer minutes only where a cap on tombstones forces it.
CLOSE-4 A `close` by a member of a closed channel MUST be 200 with null for every value, and change nothing: the first close decides.
CLOSE-5 Any other request to a closed channel MUST be 410 `closed`; only to a member does it say `by` (`sender`, `recipient` or `relay`) and `reason`, where one was given.
CLOSE-6 A name MUST NOT be given out, or opened again, while its tombstone stands.
CLOSE-7 A relay SHOULD close a channel that has been open without a stapling for `--channel-ttl` seconds, or that nobody has used for `--idle-timeout` seconds, with `by` `relay` and reason `expired`.
CLOSE-8 A channel that a request waits on, or that has a live stapling, MUST NOT expire for being idle.
CLOSE-9 A party MUST treat a close and its reason as the relay's word: it is shown as such and acted on only by ending the run.
CLOSE-10 A party that ends a run before the transfer is complete SHOULD close the channel with the reason that fits: `wrong_code`, `declined`, `cancelled` or `failed`.
ERR-1 Every reply that is not 200 MUST be a JSON object with `code` from the table, under its status, and a `message` for a person.
ERR-2 A reply with 429 for a rate or a share MUST carry Retry-After in whole seconds.
ERR-3 A party MUST make text from the relay harmless (C0, C1, ESC, bidirectional controls) before it shows it.
ERR-4 A relay MUST answer a fault of its own with 500 `internal` and no detail of its inside.
ADDR-1 A relay MUST count the address of the socket's peer; it reads a forwarded header only from proxies that its operator listed (`--trusted-proxy`), and then the nearest entry that is not itself a listed proxy.
ADDR-2 An IPv4-mapped IPv6 address MUST count as its IPv4 address; other IPv6 addresses compare whole, or by the first bits that `--ipv6-prefix` names.
ADDR-3 An address MUST get in only by a request that is accepted: a join, or a request or identification with a member's uuid while fewer than two are in.
ADDR-4 Once two addresses are in, a request or an identification from a third MUST be refused with 403 `channel_full`, whatever uuid it shows.
ADDR-5 A relay MUST check the address on every join, every channel request and every identification on a data port.
ADDR-6 Two members behind one address MUST count as one; there the seats and the uuids are the guard.
ADDR-7 A party MUST dial the data ports at the very address, and from the very local address, of its HTTP connection, so that it stays one address for the relay.
PORT-1 A member MUST send the line in ASCII with single spaces, at most 160 bytes with its newline.
PORT-2 A relay MUST parse the line the same however its bytes were split, and answer one that is none with `ERR 400 malformed`, and one of another version with `ERR 426 version`.
PORT-3 A relay MUST close a connection whose line is not complete within the handshake deadline, counted from its start, with `ERR 408 too_slow`.
PORT-4 A relay MUST check an identification in this order: line, version, existence (404 `no_such_channel`), closed (410 `closed`), address (403 `channel_full`), uuid (403 `not_yours`), turn (409 `out_of_turn` before `h_k` is set).
PORT-5 Bytes after the line MUST be kept, in order, and forwarded first; the relay reads no more of a connection until it is stapled.
PORT-6 When both roles wait on the same port of one channel, the relay MUST staple the two: it sets `stapled`, counts the stapling, and from then on moves bytes both ways, changing none and adding none of its own.
PORT-7 A relay MUST staple only connections of the same channel and the same port, and only one of each role.
PORT-8 A relay MUST hold one waiting connection for each channel, port and role; a newer one replaces it, and the older is closed.
PORT-9 A member that identifies again on a port whose stapling lives MUST get a new waiting connection, and the old pair is cut.
PORT-10 The end of one direction MUST be passed on as the end of that direction alone, after all its bytes; the other direction stays open.
PORT-11 A relay MUST hold only a bounded number of bytes of a pair whose reader is slow, and stop reading instead.
PORT-12 A relay MUST limit waiting connections, in all and for each address, with `ERR 503 busy` or `ERR 429 too_many`.
PORT-13 A relay SHOULD cut a stapling on which no byte has moved for `--idle-timeout` seconds, and not before 60 seconds (600 are the default).
PORT-14 A party MUST read at most 64 bytes for the relay's answer, and refuse one that is neither `OK` nor `ERR` as a fault of the relay.
PORT-15 A party MUST NOT identify before its own confirmation (KEY-6), and the sender not before the relay has answered its `h_k` with 200.
PORT-16 After its `OK` on connection 0 the sender MUST ask the relay, with long polls, until `stapled` is true (after a redial: until `staplings` of the port has grown), and only then sends its hello; the recipient sends its hello right after its `OK`.
PORT-17 When it loses a data connection a party SHOULD ask the relay once for the channel's state: a 410 tells who closed it and why.
SUITE-1 A sender MUST use `x25519` unless its person asks for another curve.
SUITE-2 A recipient MUST take part in `x25519`, `p256`, `p384` and `p521` unless its person narrows that, and in `p224` and `siec` only where its person asks for them by name.
SUITE-3 Every constant of a group MUST come from this document; no point, generator or parameter is ever taken from the other side.
PAKE-1 Both parties MUST derive the generator from `gs` as given here, with the channel's name and the curve in `CI` and the sender's 32-byte `sid`.
PAKE-2 A scalar MUST be made of fresh random bytes for each handshake and forgotten after K.
PAKE-3 A P-curve's share MUST be the point with the right x-coordinate, of either sign of y (K has no sign), and a reader takes both.
PAKE-4 A share of another length than its suite's MUST be refused, and on P-curves and `siec` one whose first byte is not `0x04`.
PAKE-5 On P-curves and `siec` a share with a coordinate not below p, or that is not on the curve, MUST be refused (the order is prime, so no more is to be checked; the twist of `siec` is weak, so no less is).
PAKE-6 On `x25519` a K of 32 zero bytes MUST end the run; a u-coordinate that is not below p, and one with bit 255 set, are taken as RFC 7748 says.
PAKE-7 A party MUST refuse its own share sent back: equal x-coordinates on P-curves and `siec`, equal bytes without bit 255 on `x25519`, compared in constant time.
PAKE-8 Nothing that depends on the secret SHOULD be computed in variable time, as far as the platform allows; where it is (the map to the curve on big integers, all of `siec`) the documentation says so.
HEAD-1 A sender MUST draw a fresh `sid` and a fresh `vn` for each handshake.
HEAD-2 A head MUST be at most 1,024 bytes with at most 32 caps, all keys strings; the three that are named are required and others are ignored, but bound.
HEAD-3 Heads MUST be hashed as the bytes that came over the wire, never encoded again.
HEAD-4 A recipient MUST refuse a curve in the relay's reply that differs from headA's, and a curve outside its policy.
HEAD-5 A recipient MUST pick one AEAD of those that headA offers, and end the run where it has none of them.
HEAD-6 A sender MUST refuse a headB with another curve, with an AEAD that headA did not offer, or without one.
HEAD-7 A party MUST refuse a head whose first element is not 1 as a version that differs (12), whatever else it holds.
KEY-1 Both parties MUST derive every key exactly so.
KEY-2 A sender MUST compare the posted `hh_k` with its own, in constant time, and abort with reason `wrong_code` where they differ; it posts `h_k` only after that.
KEY-3 A recipient MUST compare the posted `h_k` with its own, in constant time, and bail with reason `wrong_code` where they differ.
KEY-4 The recipient MUST post `hh_k`, and never `h_k`; the sender posts `h_k`.
KEY-5 A party MUST NOT derive anything that the relay or an observer sees, such as a name, a route or a time, from the secret words.
KEY-6 A party MUST NOT dial a data port, seal, open, or write anything before its own confirmation: a sender's is the right `hh_k`, a recipient's the right `h_k`.
KEY-7 A party SHOULD forget the scalar, PRS and PRK once what it needs is derived.
WORDS-1 The first `x` that a recipient reads and the first `y` with `hh_k` that a sender reads MUST be final: a later, different value is ignored and nothing is computed from it.
WORDS-2 One run of a sender MUST evaluate at most one `y` made from the words, over all relays, ever.
WORDS-3 One run of a recipient MUST send at most one `y` made from the words, over all relays, ever.
WORDS-4 The words are used up once a recipient has sent its `y` or a sender has read one; a party MUST NOT use them again after that, however the run ended.
WORDS-5 A person whose run used the words and did not reach confirmation MUST be told that the code is burnt and a new one is needed, never to try again with it.
WORDS-6 A sender whose channel vanished (404, or 410 by the relay) before it read a `y` SHOULD open the same name again, with fresh `sid`, `vn` and scalar.
WORDS-7 A party MUST keep the secret out of logs, errors, reports and process titles; only the `code` event and the person's screen show it.
HELLO-1 A party MUST send exactly one hello on each dial of a connection, as its first bytes after the identification.
HELLO-2 A party MUST draw the salt from fresh random bytes after that dial began, never earlier.
HELLO-3 A party MUST read exactly as many bytes as the other role's hello has, once a dial.
HELLO-4 A party MUST refuse a hello that has its own role, another connection number, or any other byte than the layout has, and end the dial with it.
HELLO-5 A party MUST NOT seal a record before it has read the other's hello.
REC-1 A record's length MUST be 16 to 2^20 + 16: it holds at most 1 MiB of plaintext; a reader checks it before it takes memory.
REC-2 A reader MUST refuse a header with any of bits 30 to 21 set.
REC-3 Each side MUST use the keys of its own direction and connection, the strict counter, and a new key each 2^16 records.
REC-4 A reader MUST end the dial at the first record that does not open, and give nothing of that record to anyone.
REC-5 A side MUST send nothing after the record with the last flag, and a reader refuses anything after it.
REC-6 The end of the stream before the last flag MUST be treated as a broken connection, never as an end.
REC-7 The plaintexts of one direction MUST be read as one byte stream: a message may begin and end anywhere in a record, span several, and share one with others.
REC-8 A side SHOULD put several small messages into one record, but never hold back one that the other waits for; 512 KiB of file bytes a record suit large files best.
MSG-1 A control message's body MUST be at most 65,536 bytes; a reader checks the length before it takes memory.
MSG-2 A reader MUST skip a message whose type has bit 7 set and that it does not know, up to 2^20 bytes of body, and treat any other unknown type as a protocol error.
MSG-3 A message that its receiver does not await in its state, or that comes from the wrong role, MUST be a protocol error; the types with bit 7 set are allowed between any two messages of a sealed connection.
MSG-4 A party MUST end the run with `protocol_error` at the peer's first protocol error; it may send a Problem before it hangs up.
MSG-5 A message with another `tid` than the offer in hand MUST be a protocol error.
MSG-6 A party MUST make all text from the peer (names, targets, the text of a Problem) harmless before it shows it.
OFFER-1 The first message that a sender seals on each dial of connection 0 MUST be Open.
OFFER-2 Each offer MUST have a `tid` of 16 fresh random bytes, never used before; the first Manifest carries it, later ones nil, and OfferEnd, Accept, Decline, PiecesEnd and Receipt repeat it.
OFFER-3 An offer MUST list every entry: each file, directory, symlink, text and stream with its whole path, so that its receiver can judge all before anything is written.
OFFER-4 A path MUST be relative, of components joined by `/`, none of them empty, `.` or `..`; a parent directory comes before what is in it, or is not listed at all.
OFFER-5 A sender MUST begin the offer without reading through or hashing the files, and walks them only after the code is shown.
OFFER-6 OfferEnd MUST count the entries, directories included, and sum their sizes (at most 2^63-1); a receiver treats a count or sum that differs from what came as a protocol error.
OFFER-7 A recipient MUST judge every path by itself, component by component, before the first write, and leave out or refuse what leads outside its target, names a device, or cannot be written safely; what the sender marks has no say in it.
OFFER-8 A recipient MUST NOT overwrite an existing file, follow a link on its own disk, or set bits beyond `rwxrwxrwx` because an offer says so.
OFFER-9 A recipient MUST bound the entries that it takes and their memory, and end with a typed error beyond that.
OFFER-10 The choice MUST be of the offer: spans in rising order, without overlap, within the entries; it may be split over several Accept messages with the same `tid`, `codecs` and `connections`, `more` true on all but the last.
OFFER-11 Decline MUST be the recipient's last message, in a record with the last flag; both end with `declined`, and the recipient closes the channel with that reason; it may come before OfferEnd.
OFFER-12 A sender MUST send nothing but Problem and messages with bit 7 set between OfferEnd and the end of the Accept.
PIECE-1 Pieces MUST come only after the Accept, and only for chosen entries.
PIECE-2 The pieces of an entry MUST cover it (or the ranges of a Want, where there is one) without gap or overlap, in rising order on each connection; entries of size 0, directories and symlinks have none.
PIECE-3 A recipient MUST take codecs 0 and 2 whether or not Accept names them, and refuse any other that it did not name.
PIECE-4 A recipient MUST refuse a piece that passes its entry's size, overlaps what came, belongs to no chosen entry, or has an impossible length.
PIECE-5 A sender that finds a file shorter, or changed since the offer, MUST end with a Problem `local_file` and never fill in other bytes.
PIECE-6 A final name MUST appear only when the file is whole; until then the bytes are under a name that shows that they are not.
PIECE-7 A failure MUST NOT delete what has arrived and is verified where a later run can go on with it.
END-1 PiecesEnd MUST be the sender's last message on connection 0, in a record with the last flag, with the number of chosen entries, the sum of their sizes, and the sizes of those that had none.
END-2 A recipient MUST check those totals against what arrived: a missing byte, a gap or another sum is a protocol error.
END-3 A recipient MUST make every chosen file final under its name before it sends the Receipt.
END-4 The Receipt MUST be the recipient's last message, in a record with the last flag, with the same totals as PiecesEnd.
END-5 A sender MUST report success only after a Receipt with the right `tid`, the right totals and the last flag.
END-6 After the Receipt the recipient MUST half-close; the sender reads it and half-closes; the recipient posts `close` with reason `done` at the end of the stream or after 5 seconds.
END-7 A sender that has sent PiecesEnd and gets no Receipt MUST end with `unconfirmed`: it probably arrived, the person should ask; no word of the relay makes it a success.
END-8 A sender MUST NOT report success unless the recipient holds every accepted file whole under its final name; `unconfirmed` beside the recipient's success is the only disagreement.
END-9 Problem MUST be its side's last message, in a record with the last flag; the other side ends without success.
END-10 A recipient MUST NOT count a `Receipt` that it could not send as a failure: it holds the files and may report success.
LIVE-1 A side that has sent nothing on connection 0 for 15 seconds MUST send STILL_HERE (type `0x80`, empty body) between two messages, from its first record on until its last.
LIVE-2 A side that has read nothing on connection 0 for 60 seconds SHOULD give up with `timeout`, and not sooner.
LIVE-3 STILL_HERE MUST NOT count as progress of the transfer: it shows that the peer lives, no more.
LIVE-4 Every wait of a party MUST have a deadline, and end in success or a typed error.
REDIAL-1 A party that lost a connection SHOULD dial the same port of the same channel with the same uuid.
REDIAL-2 A redial MUST have new hellos with new salts, hence new keys and counters from 0; there is no reconnect counter.
REDIAL-3 On a redial of connection 0 the sender MUST send Open and then either Continue with the accepted `tid` or a new offer with a new one.
REDIAL-4 A new offer MUST end the earlier one: both close its further connections and take nothing more from them.
REDIAL-5 A recipient MUST answer Continue with Want: the ranges of chosen entries that it does not hold, in rising order, without overlap (for a stream, whose length is not known, up to 2^63-1); the sender sends pieces for exactly these.
REDIAL-6 A sender MUST send Continue only for an offer whose Accept it has read whole.
REDIAL-7 A redial MUST cover all of a transfer's connections: each side closes those that are left and dials each of them anew.
REJOIN-1 A party SHOULD rejoin on 404, on 403, on a 410 whose `by` is neither member, or when a lost connection was not stapled again within its redial deadline; a 410 closed by a member ends the run.
REJOIN-2 The names and secrets of a rejoin MUST come from `rejoin` so; base32 is RFC 4648 section 6 in lower case (`a-z2-7`).
REJOIN-3 A sender MUST open the smallest n that it has not opened, and rejoins only after its own confirmation.
REJOIN-4 A recipient SHOULD ask for n+1 to n+4 in turn, n being the last that it used (0 at first), until its deadline; it may rejoin once it has posted `y`.
REJOIN-5 Each rejoin MUST be a full handshake with fresh `sid`, `vn` and scalars; the words are never used a second time.
REJOIN-6 Nothing of a party's safety MUST rest on n: the two may differ on it.
MANY-1 Connection i MUST use the i-th entry of kind `tcp` of `data`, from 0; `connections` is at most their number, and the sender uses that many or fewer.
MANY-2 Connection 0 MUST carry everything but pieces where there are further connections, and the pieces too where it is the only one.
MANY-3 A further connection MUST carry nothing but pieces and messages with bit 7 set, and only from sender to recipient; the recipient seals nothing on it.
MANY-4 A party MUST dial further connections only after the Accept, with keys of that offer's `tid`.
MANY-5 A sender MUST end each further connection with an empty record that has the last flag, and half-close it.
MANY-6 A recipient MUST NOT finish before every further connection that was stapled has ended with its last flag and every chosen byte is there.
MANY-7 A lost further connection MUST be treated like a lost connection 0 (REDIAL-7).
STREAM-1 A stream MUST be offered with `size` nil; it is read as it is sent, with no temporary copy.
STREAM-2 The pieces of a stream MUST be in rising order without gaps on one connection.
STREAM-3 PiecesEnd's `sizes` MUST name each chosen entry that was offered without a size, once, in rising order, and no other.
STREAM-4 A sender that cannot read a stream again from a wanted offset MUST end the run with a Problem `local_file`.
STREAM-5 A recipient MUST stop a stream that passes what it is willing to store, with a typed error.
TEXT-1 A text MUST be UTF-8, and its path is a label that a recipient never uses as a file name unless its person asks to save it.
TEXT-2 A recipient SHOULD show a text instead of storing it, made harmless first (MSG-6), and take at most 1 MiB for that.
RESUME-1 A recipient MUST name in `held` only what a journal of this tool vouches for, each chosen entry at most once in rising order, with the length of its first bytes, at most the entry's size.
RESUME-2 A sender MUST answer with the digests of each held range in the order of `held`: blocks of 4 MiB from 0 on, the last one as long as the range leaves it, `block` being the number of the first digest in the message.
RESUME-3 A recipient MUST compare the digests and answer with Want, the ranges of all chosen entries that it lacks; blocks that match are not sent again.
RESUME-4 A recipient MUST NOT send any digest of what it holds.
RESUME-5 Without `held` in any Accept there MUST be no Digests and no Want: all chosen entries are sent whole.
RESUME-6 A file made of kept and new blocks MUST come under its final name only when all of them are there.
CODEC-1 A sender MUST use codec 1, or a later one, only where Accept's `codecs` names it.
CODEC-2 A recipient MUST stop inflating at the stated length plus one byte, and treat any other length as a protocol error.
CODEC-3 A sender SHOULD compress only what gets smaller, piece by piece, and send the rest raw.
AEAD-1 A sender MUST offer at least one of `aes256gcm` and `chacha20poly1305`, the one that it would rather have first.
AEAD-2 A recipient SHOULD pick `aes256gcm` where both sides have AES in hardware, and `chacha20poly1305` otherwise; its pick holds for all records of the session.
VERIFY-1 The sender MUST keep `vn` out of everything that it sends before Open, and seal Open only after the right `hh_k`.
VERIFY-2 The recipient MUST compare SHA-256(lv_cat(P, "verifier-commit", vn)) with headA's `commit` in constant time; unequal is a protocol error.
VERIFY-3 Where either side's caps say `verify`, both SHOULD show the words, labelled and unlike a code.
VERIFY-4 A side whose person asked to verify MUST send neither offer nor Accept before that person agrees.
VERIFY-5 Agreement MUST hold for the sessions that rejoin from this one; where it was not given, the new session asks anew.
TOKEN-1 A relay that has a token MUST refuse a sender's join without the right one with 401 `token`, compared in constant time, before it says whether a channel exists.
TOKEN-2 A recipient MUST be able to join without a token.
TOKEN-3 A party MUST keep its token out of logs, errors and reports, and send it in no other request.
PAD-1 A reader MUST skip PADDING of up to 2^20 bytes, whatever its body holds, and count no progress for it.
PAD-2 A side that hides sizes SHOULD pad the records, and the sum, to steps that it chooses; the other side needs not know.
EXT-1 A new message that an old reader may skip MUST have a type of `0x82` to `0xff`.
EXT-2 A new message that an old reader may not skip MUST have a type below `0x80` and be sent only where the reader's caps or Accept said that it knows it.
CODE-1 A code as it is typed MUST be normalised as a whole and then split at its first `-`: before it the channel, 1 to 32 of `0-9a-z`, behind it the secret.
CODE-2 The secret MUST enter the key agreement normalised, as UTF-8 of 1 to 256 bytes; anything else is no secret.
CODE-3 A sender MUST draw, by default, three words of the list below, each with equal chance of a cryptographic source: 33 bits.
CODE-4 A sender SHOULD warn about a secret of a person's own that is short, measured without its channel.
CODE-5 A relay MUST pick a new channel's name at random, 4 characters or more of `0123456789abcdefghjkmnpqrstvwxyz`, never in sequence, never one that is open or has a tombstone.
CODE-6 A relay SHOULD pick longer names as soon as more than 1/64 of a length's names are taken.
CLI-1 A flag MUST exist exactly when its feature does.
CLI-2 A tool MUST be able to take the code from a prompt or the environment; it is never needed on the command line.
CLI-3 An embedded relay MUST refuse every join but its own sender's and one recipient's, allow 8 waiting data connections, and end with the run.
CLI-4 A `send` with an embedded relay SHOULD print `receive --relay http://ADDRESS:PORT` for each usable address, and the code for the other side's prompt.
EVENT-1 Each event MUST be one line of JSON with `event` and the fields of the table; a reader ignores events and fields that it does not know.
EVENT-2 With `--json` a tool MUST NOT write anything else to standard output.
EVENT-3 A run MUST end with `done` or `error` as its last event, and an exit status that agrees with it.
EVENT-4 Only `code` MUST hold the secret.
EXIT-1 A run MUST end with the status of the table; 0 means only that everything accepted is whole on the recipient's disk.
EXIT-2 An error MUST say whose side it was (`local`, `relay`, `peer`), what happened and what to do, and never be a stack trace.
DISC-1 A sender MUST answer only a query that names its channel, with its port alone.
DISC-2 A recipient MUST go on only if exactly one relay has that channel with `x` set; with two or more it stops, says so, and asks for `--relay`.
DISC-3 Discovery MUST be a hint and no more: who the other side is follows from the key agreement alone.
DISC-4 With `--relay` or `--no-discovery` a tool MUST NOT send or answer any query.
DISC-5 A party MUST NOT put a local address into anything that the relay, or an observer off the link, sees before key confirmation.
VER-1 A relay MUST refuse every version that it does not speak with 426 and not guess.
VER-2 A party that gets a 426 MUST end with `version` and say which side is older, as far as it can tell.
VER-3 A party MUST end with `version`, naming both versions, where the other's head begins with a number that is not its own version.
VER-4 A party MUST NOT fall back to another version within a run on an unauthenticated word.
VER-5 Where both caps name a version above the one that was spoken, a party SHOULD tell its person: someone may have held the two back.
VER-6 A later version MUST change `P`, the number in `CROC/1`, the first element of the heads, and `protocol`, all together.
GROW-1 A channel SHOULD be kept as a value that can be stored: its times are Unix milliseconds, it holds no socket, waiter or monotonic time, and an update is compare-and-swap on `seq`; then several relays can share it, and `data` can name the one that staples.
GROW-2 A relay SHOULD add kinds of data endpoint only by new `kind` values with fields of their own; `ws`, with `host` and `path`, is reserved.
GROW-3 New request fields MUST come only with a new `protocol` number, for a relay refuses what it does not know (HTTP-2); new reply fields may come at any time.
GROW-4 New caps MUST be safe to ignore; what they allow is used only where both sides name it.
"""

REQUIREMENTS: dict[str, str] = dict(line.split(" ", 1) for line in _TEXT.strip().splitlines())
"""Each id with its sentence."""
