/* SPDX-License-Identifier: MPL-2.0 */
#include "core/signers.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"

const char *signers_error_text(int code)
{
    static const char *const texts[] = {"no_hmac", "bad_hmac", "unknown_signer", "unknown_hash"};
    int index = SIGNERS_E_NO_HMAC - code;
    if (index < 0 || (size_t)index >= ARRAY_COUNT(texts))
        return "unknown error";
    return texts[index];
}

/* Order of keys: by name, then version. */
static int compare_key(const struct signers_key *key, struct msg_slice name, uint32_t version)
{
    size_t len = strlen(key->name);
    size_t shorter = len < name.len ? len : name.len;
    int order = shorter > 0 ? memcmp(key->name, name.ptr, shorter) : 0;
    if (order == 0 && len != name.len)
        order = len < name.len ? -1 : 1;
    if (order == 0 && key->version != version)
        order = key->version < version ? -1 : 1;
    return order;
}

/* The first key that is not less. */
static uint32_t place_of(const struct signers *signers, struct msg_slice name, uint32_t version)
{
    uint32_t low = 0, high = signers->key_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_key(&signers->keys[middle], name, version) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The number behind the last underline; false when there is none, or it is not written plainly. */
static bool parse_version(const char *digits, uint32_t *version)
{
    uint64_t value = 0;
    if (*digits == '\0' || (*digits == '0' && digits[1] != '\0'))
        return false;
    for (; *digits != '\0'; digits++) {
        if (*digits < '0' || *digits > '9')
            return false;
        value = value * 10 + (uint64_t)(*digits - '0');
        if (value > UINT32_MAX)
            return false;
    }
    *version = (uint32_t)value;
    return true;
}

static int grow(struct signers *signers)
{
    struct signers_key *keys =
        realloc(signers->keys, (signers->key_count + 1) * sizeof(*signers->keys));
    if (keys == NULL)
        return -1;
    signers->keys = keys;
    const char **names = realloc(signers->names, (signers->key_count + 1) * sizeof(*names));
    if (names == NULL)
        return -1;
    signers->names = names;
    return 0;
}

static void list_names(struct signers *signers)
{
    signers->name_count = 0;
    for (uint32_t i = 0; i < signers->key_count; i++) {
        struct signers_key *key = &signers->keys[i];
        uint32_t count = signers->name_count;
        if (count == 0 || strcmp(signers->names[count - 1], key->name) != 0)
            signers->names[signers->name_count++] = key->name;
        key->name_index = signers->name_count - 1;
    }
}

static int insert(struct signers *signers, uint32_t place, const struct signers_key *key)
{
    if (grow(signers) != 0)
        return -1;
    memmove(signers->keys + place + 1, signers->keys + place,
            (signers->key_count - place) * sizeof(*signers->keys));
    signers->keys[place] = *key;
    signers->key_count++;
    list_names(signers);
    return 0;
}

int signers_add(struct signers *signers, const char *name_version, const void *key, size_t key_size,
                struct err *err)
{
    const char *underline = strrchr(name_version, '_');
    uint32_t version = 0;
    if (underline == NULL || underline == name_version || !parse_version(underline + 1, &version))
        return err_add(err, "signer: %s: expected <name>_<version>, as ops_0", name_version);
    if (signers->key_count == SIGNERS_MAX)
        return err_add(err, "signer: more than %d keys", SIGNERS_MAX);
    struct msg_slice name = {name_version, (uint32_t)(underline - name_version)};
    uint32_t place = place_of(signers, name, version);
    if (place < signers->key_count && compare_key(&signers->keys[place], name, version) == 0)
        return err_add(err, "signer: %s: given twice", name_version);
    struct signers_key added = {.name = strndup(name.ptr, name.len),
                                .version = version,
                                .key = malloc(key_size + 1),
                                .key_size = key_size};
    if (added.key != NULL && key_size > 0)
        memcpy(added.key, key, key_size);
    if (added.name == NULL || added.key == NULL || insert(signers, place, &added) != 0) {
        free(added.name);
        free(added.key);
        return err_add(err, "signer: %s: out of memory", name_version);
    }
    return 0;
}

void signers_fini(struct signers *signers)
{
    for (uint32_t i = 0; i < signers->key_count; i++) {
        free(signers->keys[i].name);
        explicit_bzero(signers->keys[i].key, signers->keys[i].key_size);
        free(signers->keys[i].key);
    }
    free(signers->keys);
    free(signers->names);
    *signers = (struct signers){0};
}

int signers_check(const struct signers *signers, const struct frame *frame, uint32_t *name_index)
{
    *name_index = SIGNERS_NONE;
    if (!frame->has_hmac)
        return frame->signer.len > 0 ? SIGNERS_E_NO_HMAC : 0;
    if (frame->has_unknown_hash)
        return SIGNERS_E_UNKNOWN_HASH;
    uint32_t place = place_of(signers, frame->signer, frame->key_version);
    if (place == signers->key_count)
        return SIGNERS_E_UNKNOWN;
    const struct signers_key *key = &signers->keys[place];
    if (compare_key(key, frame->signer, frame->key_version) != 0)
        return SIGNERS_E_UNKNOWN;
    if (!frame_authentic(frame, key->key, key->key_size))
        return SIGNERS_E_BAD_HMAC;
    *name_index = key->name_index;
    return 0;
}
