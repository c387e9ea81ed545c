import protobuf from 'protobufjs';

/**
 * Every message between nodes, and what is kept of them on disk. Fields are added, never renumbered or reused; a reader
 * passes over what it does not know, and since entries travel as the bytes their owner has signed, it hands them on whole.
 */
const text = `
syntax = "proto3";
package vipd;

// What one node says of one thing: of itself (key empty) or of its backends at one VIP (key as tcp/web.marathon:80).
// Of two entries of one owner and key the later counts, by incarnation, then version.
message Entry {
  uint32 schema = 1;          // of the writer
  bytes owner = 2;            // ed25519 public key, 32 bytes
  uint32 incarnation = 3;     // grows with every start of the owner
  uint32 version = 4;         // grows with every entry of an incarnation
  string key = 5;
  bool gone = 6;              // the owner has nothing there any more
  Node node = 7;
  Vip vip = 8;
}

message Node {
  string name = 1;
  repeated string addresses = 2;     // its own, canonical text
  repeated string reach = 3;         // ADDRESS:PORT where peers dial it
  repeated bytes neighbours = 4;     // owners it talks to
  uint32 lease_ms = 5;               // silent for longer, it is stale
  uint32 floor_incarnation = 6;      // its entries below this incarnation and version are void
  uint32 floor_version = 7;
  bool left = 8;                     // for good, by order of its operator
  string software = 9;
  string kernel = 10;
  string plane = 11;
  double clock_ms = 12;              // its clock, since the epoch
  double started_ms = 13;
  string zone = 14;
}

message Vip {
  string service = 1;
  string label = 2;                  // of a named VIP, normalised; else address
  string framework = 3;
  string address = 4;
  uint32 port = 5;
  string protocol = 6;
  repeated Backend backends = 7;
  string policy = 8;                 // JSON
}

message Backend {
  string address = 1;
  uint32 port = 2;
  uint32 weight = 3;
  Health health = 4;
  string reason = 5;
}

enum Health { UNCHECKED = 0; HEALTHY = 1; UNHEALTHY = 2; PENDING = 3; }

message Signed {
  bytes entry = 1;
  bytes signature = 2;               // ed25519 over "vipd-entry-1", a zero, the cluster's id, a zero, the entry
}

message Batch { repeated Signed entries = 1; }

// Between two nodes that compare what they have: see sync.ts.
message Sync {
  bytes whole = 1;
  bool done = 2;
  repeated Digest digests = 3;
  repeated Holdings have = 4;
  repeated Signed entries = 5;
  repeated Want want = 6;
}

message Digest { bytes owner = 1; bytes hash = 2; uint32 age_s = 3; }
message Holdings { bytes owner = 1; uint32 age_s = 2; repeated Held held = 3; }
message Held { string key = 1; uint32 incarnation = 2; uint32 version = 3; }
message Want { bytes owner = 1; repeated string keys = 2; }

message Snapshot {
  uint32 incarnation = 1;            // of the node itself
  repeated Kept kept = 2;
}
message Kept { Signed signed = 1; double heard_ms = 2; }
`;

const { root } = protobuf.parse(text, { keepCase: false });

/** A message of the schema, as TypeScript sees it. */
export interface Codec<T> {
  encode(value: T): Uint8Array;
  /** @throws Error for bytes that are no such message */
  decode(bytes: Uint8Array): T;
}

export function codecOf<T extends object>(name: string): Codec<T> {
  const type = root.lookupType(`vipd.${name}`);
  return {
    encode: (value) => type.encode(value).finish(),
    decode: (bytes) => type.decode(bytes) as unknown as T,
  };
}
