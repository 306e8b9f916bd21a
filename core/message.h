/* SPDX-License-Identifier: MPL-2.0
 *
 * message.h - Heka messages as protobuf bytes: zero-copy view and builder.
 *
 * Place:   decoders and listeners build, the matcher and encoders view; core/msg_index.h finds
 *          fields, core/msg_edit.h changes a message. Bytes: docs/formats/message.md (Heka's
 *          message.proto, proto2); core/heka.proto with protobuf-c serves tests and tools.
 * Threads: a view or builder belongs to one thread.
 * Memory:  a view borrows the bytes until they change; a builder writes to the caller's buffer.
 *          Nothing here allocates.
 * Failure: msg_view_init() refuses malformed bytes with a MSG_E_* code; a builder that runs out of
 *          room goes into a failed state that msg_builder_finish() reports.
 */
#ifndef CORE_MESSAGE_H
#define CORE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MSG_UUID_SIZE = 16,
    MSG_UUID_TEXT_LEN = 36,
    MSG_SEVERITY_DEFAULT = 7,
    MSG_SIZE_DEFAULT_MAX = 64 * 1024, /* [hekad] max_message_size */
    MSG_FIELDS_MAX = 65536            /* fields of one message */
};

enum {                          /* why bytes are not a message, or are not changed */
       MSG_E_TRUNCATED = -1000, /* a varint, length or group runs past the end */
       MSG_E_VARINT = -1001,    /* more than 10 bytes, or a length of more than 5 */
       MSG_E_TAG = -1002, /* number 0 or out of range, bad wire type, group end without start */
       MSG_E_WIRE_TYPE = -1003, /* known member with the wrong wire type */
       MSG_E_MISSING = -1004,   /* no uuid, no timestamp, or a field without name */
       MSG_E_UUID = -1005,      /* uuid is not 16 bytes */
       MSG_E_LIMIT = -1006,     /* over 2 GiB, MSG_FIELDS_MAX fields, or groups 32 deep */
       MSG_E_TYPE = -1007,      /* msg_edit.h: a field has values of another type */
       MSG_E_INDEX = -1008      /* msg_edit.h: a field or value index beyond the last */
};
const char *msg_error_text(int code); /* "truncated", ...; for the ledger, logs and tools */

enum msg_value_type { /* Field.ValueType */
                      MSG_STRING = 0,
                      MSG_BYTES = 1,
                      MSG_INTEGER = 2,
                      MSG_DOUBLE = 3,
                      MSG_BOOL = 4
};

const char *msg_value_type_name(enum msg_value_type type); /* "string", "bytes", ... */

struct msg_slice {
    const char *ptr; /* not NUL-terminated; NULL when the member is absent */
    uint32_t len;
};

enum { /* bits of msg_view.present */
       MSG_HAS_TYPE = 1 << 0,
       MSG_HAS_LOGGER = 1 << 1,
       MSG_HAS_SEVERITY = 1 << 2,
       MSG_HAS_PAYLOAD = 1 << 3,
       MSG_HAS_ENV_VERSION = 1 << 4,
       MSG_HAS_PID = 1 << 5,
       MSG_HAS_HOSTNAME = 1 << 6
};

struct msg_view {
    const uint8_t *bytes;
    uint32_t size;
    uint32_t present;
    const uint8_t *uuid; /* 16 bytes */
    int64_t timestamp_ns;
    struct msg_slice type, logger, payload, env_version, hostname; /* len 0 when absent */
    int32_t severity;                                              /* 7 when absent */
    int32_t pid;                                                   /* 0 when absent */
    uint32_t field_count;
    uint32_t first_field; /* offset of the first field's tag; size when there is none */
    bool has_late_names;  /* a field does not begin with its name, or has a long one or several */
};

/* Checks all of the message (fields too) and fills `view`. A member given twice: the last one
 * counts (protobuf). Unknown members are skipped; a value_type that is none of the five is like an
 * unknown member (proto2). Returns 0, or MSG_E_* and `view` is not to be used. `bytes` may be NULL
 * when size is 0. */
int msg_view_init(struct msg_view *view, const void *bytes, size_t size);

/* One field. Values are read by index with msg_field_*() or in order with msg_values_next(); only
 * the array that value_type names is looked at, packed and unpacked parts in order. */
struct msg_field {
    struct msg_slice name;
    struct msg_slice representation;
    enum msg_value_type value_type;
    uint32_t value_count;
    const uint8_t *bytes; /* the Field message */
    uint32_t size;
    uint32_t next;        /* offset in the view of the next place to look for a field */
    uint32_t first_value; /* offset in `bytes` of the first member with values; size: none */
};

/* Walks the fields in order: start with field->next = view->first_field (msg_field_first does).
 * False when there are no more. */
bool msg_field_first(const struct msg_view *view, struct msg_field *field);
bool msg_field_next(const struct msg_view *view, struct msg_field *field);

/* The `index`-th (from 0) field with that name. */
bool msg_field_find(const struct msg_view *view, const char *name, size_t name_len, uint32_t index,
                    struct msg_field *field);

/* The `index`-th value; false when there is none or the type is another one. A slice may have
 * len 0 with ptr set. msg_field_slice serves STRING and BYTES. Each call walks from the first
 * value: who wants them all takes msg_values_next(). */
bool msg_field_slice(const struct msg_field *field, uint32_t index, struct msg_slice *value);
bool msg_field_integer(const struct msg_field *field, uint32_t index, int64_t *value);
bool msg_field_double(const struct msg_field *field, uint32_t index, double *value);
bool msg_field_bool(const struct msg_field *field, uint32_t index, bool *value);

struct msg_value { /* the member that the field's value_type names is set */
    enum msg_value_type type;
    union {
        struct msg_slice slice;
        int64_t integer;
        double number;
        bool boolean;
    };
};

struct msg_values { /* position in the values of one field */
    const struct msg_field *field;
    const uint8_t *at;        /* next member of the Field */
    const uint8_t *packed_at; /* next value of the packed member that is being read */
    const uint8_t *packed_end;
};

/* All values in order, in time linear in the size of the field. */
void msg_values_init(struct msg_values *values, const struct msg_field *field);
bool msg_values_next(struct msg_values *values, struct msg_value *value);

/* Canonical lower-case text, no NUL: writes MSG_UUID_TEXT_LEN characters. */
void msg_uuid_text(const uint8_t uuid[MSG_UUID_SIZE], char *text);
/* False, and uuid is not to be used, for what is not 8-4-4-4-12 hexadecimal digits. */
bool msg_uuid_parse(const char *text, size_t len, uint8_t uuid[MSG_UUID_SIZE]);
/* Version 4 UUID from 16 random bytes. */
void msg_uuid_from_random(uint8_t uuid[MSG_UUID_SIZE], uint64_t random_a, uint64_t random_b);

/* ---- builder: members in the order of the calls; callers use the order of message.proto ----
 * Nothing checks that uuid and timestamp were given: the message is what was called for. A member
 * that does not fit leaves nothing behind and the builder failed; later calls do nothing. */

struct msg_builder {
    uint8_t *bytes;
    size_t size;     /* written so far */
    size_t capacity; /* of the buffer */
    bool failed;     /* ran out of room */
};

void msg_builder_init(struct msg_builder *builder, void *buffer, size_t capacity);
void msg_builder_uuid(struct msg_builder *builder, const uint8_t uuid[MSG_UUID_SIZE]);
void msg_builder_timestamp(struct msg_builder *builder, int64_t timestamp_ns);
void msg_builder_type(struct msg_builder *builder, const char *text, size_t len);
void msg_builder_logger(struct msg_builder *builder, const char *text, size_t len);
void msg_builder_severity(struct msg_builder *builder, int32_t severity);
void msg_builder_payload(struct msg_builder *builder, const char *text, size_t len);
void msg_builder_env_version(struct msg_builder *builder, const char *text, size_t len);
void msg_builder_pid(struct msg_builder *builder, int32_t pid);
void msg_builder_hostname(struct msg_builder *builder, const char *text, size_t len);

/* Payload written in place: returns a pointer to at most *room bytes for it (NULL when failed);
 * then msg_builder_payload_end() says how many were used, at most *room. No other call in between.
 * The length in front is reserved for *room; a payload that needs fewer bytes for it is moved down,
 * so the result is the same as with msg_builder_payload(). A payload that was begun and not ended
 * does not become part of the message. */
char *msg_builder_payload_begin(struct msg_builder *builder, size_t *room);
void msg_builder_payload_end(struct msg_builder *builder, size_t used);

/* Fields as hekad writes them: value_type and representation always present; NULL is "". */
void msg_builder_field_string(struct msg_builder *builder, const char *name, const char *value,
                              size_t value_len, const char *representation);
void msg_builder_field_bytes(struct msg_builder *builder, const char *name, const void *value,
                             size_t value_size, const char *representation);
void msg_builder_field_integer(struct msg_builder *builder, const char *name, int64_t value,
                               const char *representation);
void msg_builder_field_double(struct msg_builder *builder, const char *name, double value,
                              const char *representation);
void msg_builder_field_bool(struct msg_builder *builder, const char *name, bool value,
                            const char *representation);

/* Any of these, of a name that need not end with a NUL. */
void msg_builder_field(struct msg_builder *builder, struct msg_slice name,
                       const struct msg_value *value, struct msg_slice representation);

/* A field up to its values: room for `values_size` bytes of members with them, which the caller
 * encodes, or NULL and the builder has failed. */
uint8_t *msg_builder_field_begin(struct msg_builder *builder, struct msg_slice name,
                                 enum msg_value_type type, struct msg_slice representation,
                                 size_t values_size);

/* Room for `size` bytes of members that the caller encodes, or NULL and the builder has failed. */
uint8_t *msg_builder_take(struct msg_builder *builder, size_t size);

/* Appends members that are encoded already (whole tag-length-value sequences). */
void msg_builder_raw(struct msg_builder *builder, const void *members, size_t size);

/* Size of the message, or -ENOSPC. */
int64_t msg_builder_finish(const struct msg_builder *builder);

#endif
