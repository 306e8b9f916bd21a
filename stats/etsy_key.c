/* SPDX-License-Identifier: MPL-2.0 */
#include <string.h>

#include "stats/emit_etsy.h"

static const bool kept[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['_'] = true,
    ['-'] = true,         ['.'] = true,         [';'] = true,         ['='] = true,
};

/* Bytes of the white space that a regular expression of JavaScript knows; 0: there is none. */
static size_t space_len(const char *name, size_t len)
{
    static const char *const wide[] = {
        "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9",
        "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80", "\xef\xbb\xbf",
    };
    if (name[0] == ' ' || (name[0] >= '\t' && name[0] <= '\r'))
        return 1;
    if (len >= 3 && memcmp(name, "\xe2\x80", 2) == 0 && (unsigned char)name[2] >= 0x80 &&
        (unsigned char)name[2] <= 0x8a)
        return 3;
    for (size_t i = 0; (unsigned char)name[0] >= 0x80 && i < sizeof(wide) / sizeof(wide[0]); i++) {
        size_t wide_len = strlen(wide[i]);
        if (len >= wide_len && memcmp(name, wide[i], wide_len) == 0)
            return wide_len;
    }
    return 0;
}

/* White space becomes "_", however much of it; "/" becomes "-"; what else is not allowed goes. */
size_t etsy_sanitize(const char *name, size_t len, char *to)
{
    size_t size = 0;
    for (size_t at = 0; at < len;) {
        size_t space = space_len(name + at, len - at);
        if (space == 0) {
            if (name[at] == '/')
                to[size++] = '-';
            else if (kept[(unsigned char)name[at]])
                to[size++] = name[at];
            at++;
            continue;
        }
        to[size++] = '_';
        for (; space > 0; space = at < len ? space_len(name + at, len - at) : 0)
            at += space;
    }
    return size;
}

static bool is_clean(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!kept[(unsigned char)name[i]])
            return false;
    return true;
}

/* Tags are what is behind the first ";", whoever put it there. */
bool etsy_key(const struct accum *accum, struct accum_key *key, char *buffer)
{
    key->tags_len = 0;
    if (!accum->config->etsy.key_name_sanitize || is_clean(key->name, key->name_len))
        return true;
    key->name_len = (uint16_t)etsy_sanitize(key->name, key->name_len, buffer);
    key->name = buffer;
    key->hash = statsd_name_hash(buffer, key->name_len);
    return key->name_len > 0;
}

void etsy_touch(const struct accum *accum, unsigned type, struct accum_series *series)
{
    if (type == STATSD_GAUGE)
        series->flushes_left = accum->etsy->gauge_flushes;
}
