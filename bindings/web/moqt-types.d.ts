// Made by types.mjs from the sources of this crate. Do not edit.

import type { TrackName } from './types.js';

/** A parameter, option or property: even keys have numbers, odd ones bytes. */
export interface KeyValue {
  /** The key. */
  key: bigint;
  /** The value. */
  value: bigint | Uint8Array;
}

/** Where a request should go instead. */
export interface Redirect {
  /** The address to connect to; empty for the same. */
  connectUri: Uint8Array;
  /** The fields of the namespace; empty for the same. */
  namespace: Uint8Array[];
  /** The track's name. */
  name: Uint8Array;
}

/** A control message of MoQT draft 18. */
export type MoqtMessage =
  /** SETUP, the first on each side's control stream. */
  | {
      kind: 'setup';
      /** The setup options. */
      options: KeyValue[];
    }
  /** GOAWAY: the relay ends the session soon. */
  | {
      kind: 'goAway';
      /** Where to go; empty for the same address. */
      newSessionUri: Uint8Array;
      /** How long the session stays, milliseconds. */
      timeout: bigint;
      /** The first request that is not answered any more. */
      requestId?: bigint | undefined;
    }
  /** REQUEST_OK. */
  | {
      kind: 'requestOk';
      /** Parameters. */
      parameters: KeyValue[];
      /** Properties of the track. */
      trackProperties: KeyValue[];
    }
  /** REQUEST_ERROR. */
  | {
      kind: 'requestError';
      /** Why, as a number. */
      errorCode: bigint;
      /** When to ask again, milliseconds and one more; 0 for never. */
      retryInterval: bigint;
      /** Why, in UTF-8. */
      reasonPhrase: Uint8Array;
      /** Where to go, of the error code 0x34 only. */
      redirect?: Redirect | undefined;
    }
  /** SUBSCRIBE to one track. */
  | {
      kind: 'subscribe';
      /** The id of the request. */
      requestId: bigint;
      /** The track. */
      track: TrackName;
      /** Parameters; none to have it from the oldest object on. */
      parameters: KeyValue[];
    }
  /** SUBSCRIBE_OK. */
  | {
      kind: 'subscribeOk';
      /** What its streams call the track. */
      trackAlias: bigint;
      /** Parameters. */
      parameters: KeyValue[];
      /** Properties of the track. */
      trackProperties: KeyValue[];
    }
  /** REQUEST_UPDATE. */
  | {
      kind: 'requestUpdate';
      /** The id of the request. */
      requestId: bigint;
      /** Parameters. */
      parameters: KeyValue[];
    }
  /** PUBLISH: a track begins here, or at the relay. */
  | {
      kind: 'publish';
      /** The id of the request. */
      requestId: bigint;
      /** The track. */
      track: TrackName;
      /** What its streams call the track. */
      trackAlias: bigint;
      /** Parameters. */
      parameters: KeyValue[];
      /** Properties of the track. */
      trackProperties: KeyValue[];
    }
  /** PUBLISH_DONE. */
  | {
      kind: 'publishDone';
      /** Why, as a number. */
      statusCode: bigint;
      /** How many streams there were. */
      streamCount: bigint;
      /** Why, in UTF-8. */
      reasonPhrase: Uint8Array;
    }
  /** PUBLISH_NAMESPACE. */
  | {
      kind: 'publishNamespace';
      /** The id of the request. */
      requestId: bigint;
      /** The fields of the namespace. */
      namespace: Uint8Array[];
      /** Parameters. */
      parameters: KeyValue[];
    }
  /** NAMESPACE. */
  | {
      kind: 'namespace';
      /** The fields behind the prefix. */
      namespaceSuffix: Uint8Array[];
    }
  /** NAMESPACE_DONE. */
  | {
      kind: 'namespaceDone';
      /** The fields behind the prefix. */
      namespaceSuffix: Uint8Array[];
    }
  /** SUBSCRIBE_NAMESPACE: which namespaces there are under a prefix. */
  | {
      kind: 'subscribeNamespace';
      /** The id of the request. */
      requestId: bigint;
      /** The fields of the prefix. */
      namespacePrefix: Uint8Array[];
      /** Parameters. */
      parameters: KeyValue[];
    }
  /** SUBSCRIBE_TRACKS: every track under a prefix. */
  | {
      kind: 'subscribeTracks';
      /** The id of the request. */
      requestId: bigint;
      /** The fields of the prefix. */
      namespacePrefix: Uint8Array[];
      /** Parameters. */
      parameters: KeyValue[];
    }
  /** TRACK_STATUS. */
  | {
      kind: 'trackStatus';
      /** The id of the request. */
      requestId: bigint;
      /** The track. */
      track: TrackName;
      /** Parameters. */
      parameters: KeyValue[];
    }
  /** FETCH of a range of a track. */
  | {
      kind: 'fetch';
      /** The id of the request. */
      requestId: bigint;
      /** The track. */
      track: TrackName;
      /** The first MOQT group. */
      startGroup: bigint;
      /** The first object in it. */
      startObject: bigint;
      /** The last MOQT group. */
      endGroup: bigint;
      /** One more than the last object in it; 0 for all of it. */
      endObject: bigint;
      /** Parameters. */
      parameters: KeyValue[];
    }
  /** FETCH of what is before a subscription. */
  | {
      kind: 'joiningFetch';
      /** The id of the request. */
      requestId: bigint;
      /** Whether the start is a group id, and not a number of groups before the subscription. */
      absolute: boolean;
      /** The id of the subscription's request. */
      joiningRequestId: bigint;
      /** The start. */
      joiningStart: bigint;
      /** Parameters. */
      parameters: KeyValue[];
    }
  /** FETCH_OK. */
  | {
      kind: 'fetchOk';
      /** Whether the track ends in the range. */
      endOfTrack: boolean;
      /** The last MOQT group. */
      endGroup: bigint;
      /** One more than the last object in it. */
      endObject: bigint;
      /** Parameters. */
      parameters: KeyValue[];
      /** Properties of the track. */
      trackProperties: KeyValue[];
    }
  /** PUBLISH_BLOCKED: the relay does not offer this track; subscribe by name. */
  | {
      kind: 'publishBlocked';
      /** The fields behind the prefix. */
      namespaceSuffix: Uint8Array[];
      /** The track's name. */
      name: Uint8Array;
    };

/** A control message, and how many bytes it had. */
export interface DecodedMessage {
  /** The message. */
  message: MoqtMessage;
  /** How many bytes of the input it was. */
  consumed: number;
}

/** The status of an object. */
export type ObjectStatus =
  /** An object like any other. */
  | 'normal'
  /** No object at its place or behind it is in the group. */
  | 'endOfGroup'
  /** No object at its place or behind it is in the track. */
  | 'endOfTrack';

/** What a stream carries. */
export type StreamItem =
  /** A control message: of a control stream, or of a request's stream. */
  | {
      kind: 'control';
      /** The message. */
      message: MoqtMessage;
    }
  /** The stream has objects of a subgroup. */
  | {
      kind: 'subgroup';
      /** What it calls the track. */
      trackAlias: bigint;
      /** The MOQT group id. */
      groupId: bigint;
      /** The publisher priority; absent for that of the track. */
      priority?: number | undefined;
      /** Whether the group ends with the stream. */
      endOfGroup: boolean;
    }
  /** The stream has the objects of a FETCH. */
  | {
      kind: 'fetch';
      /** The id of the request. */
      requestId: bigint;
    }
  /** An object. */
  | {
      kind: 'object';
      /** The MOQT group id. */
      groupId: bigint;
      /** The object id. */
      objectId: bigint;
      /** Its properties, serialized. */
      properties: Uint8Array;
      /** Its payload. */
      payload: Uint8Array;
      /** Its status. */
      status: ObjectStatus;
    }
  /** Up to this place, the range of a FETCH has nothing, or nothing is known of it. */
  | {
      kind: 'endOfRange';
      /** The MOQT group id. */
      groupId: bigint;
      /** The object id. */
      objectId: bigint;
      /** Whether nothing is known of it. */
      unknown: boolean;
    };
