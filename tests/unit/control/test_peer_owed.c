/* SPDX-License-Identifier: MPL-2.0
 *
 * test_peer_owed.c - files of what a peer owes: written, read, cut anywhere, damaged, too many.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/plugins/output_host.h"
#include "control/net/peer_owed.h"
#include "tests/support/test_dir.h"

static char dir[64];
static struct output_host host = {.name = "test"};
static struct peer peer;

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/heka-owed-%d", getpid());
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return test_dir_remove(dir);
}

static void begin(void)
{
    peer_init(&peer, &(struct peer_config){.address = "nowhere:1", .owed_dir = dir, .host = &host});
}

static void add(const char *text, unsigned messages)
{
    struct peer_chunk chunk = {.messages = messages};
    assert_int_equal(buffer_append(&chunk.bytes, text, strlen(text)), 0);
    peer.chunks[(peer.first + peer.count++) % PEER_CHUNKS_MAX] = chunk;
    peer.kept_bytes += strlen(text);
}

static void expect(unsigned index, const char *text, unsigned messages)
{
    const struct peer_chunk *chunk = &peer.chunks[(peer.first + index) % PEER_CHUNKS_MAX];
    assert_int_equal(chunk->bytes.size, strlen(text));
    assert_memory_equal(chunk->bytes.data, text, strlen(text));
    assert_int_equal(chunk->messages, messages);
}

/* Without files behind it. */
static void end(void)
{
    peer_forget(&peer);
    buffer_fini(&peer.staged.bytes);
    assert_int_equal(peer.kept_bytes, 0);
}

/* How many names there are that end so; the last one of them in `path`. */
static unsigned files(const char *ending, char path[512])
{
    unsigned count = 0;
    struct dirent *entry;
    DIR *list = opendir(dir);
    while (list != NULL && (entry = readdir(list)) != NULL) {
        size_t len = strlen(entry->d_name), ending_len = strlen(ending);
        if (len != 20 + ending_len || strcmp(entry->d_name + 20, ending) != 0)
            continue;
        snprintf(path, 512, "%s/%s", dir, entry->d_name);
        count++;
    }
    if (list != NULL)
        closedir(list);
    return count;
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void test_in_order(void **state)
{
    char path[512];
    (void)state;
    begin();
    assert_int_equal(peer_owed_load(&peer), 0); /* no folder */
    add("one", 1);
    add("two two", 2);
    assert_int_equal(peer_owed_save(&peer), 0);
    end();
    begin();
    add("three", 3);
    assert_int_equal(peer_owed_save(&peer), 0);
    end();
    assert_int_equal(files("", path), 2);
    begin();
    add("new", 9);
    assert_int_equal(peer_owed_load(&peer), 3);
    assert_int_equal(peer.count, 4);
    expect(0, "new", 9);
    expect(1, "one", 1);
    expect(2, "two two", 2);
    expect(3, "three", 3);
    assert_int_equal(peer.kept_bytes, 18);
    assert_int_equal(peer_owed_load(&peer), 0); /* not twice */
    assert_int_equal(files("", path), 2);
    write_file("09999999999999999999", "HEKAOWED1\n", 10); /* of one that ended since */
    peer_owed_remove(&peer);
    assert_int_equal(files("", path), 1);
    assert_int_equal(unlink(path), 0);
    end();
}

static void test_cut(void **state)
{
    static const char whole[] = "HEKAOWED1\n\x01\x00\x00\x00\x03\x00\x00\x00"
                                "abc"
                                "\x02\x00\x00\x00\x01\x00\x00\x00"
                                "d";
    char path[512];
    unsigned good = 0;
    (void)state;
    for (size_t size = 0; size < sizeof(whole); size++) {
        begin();
        write_file("00000000000000000007", whole, size);
        int count = peer_owed_load(&peer);
        assert_true(count >= 0);
        good += count > 0;
        assert_int_equal(files(".bad", path), count == 0);
        if (files("", path) > 0 || files(".bad", path) > 0)
            assert_int_equal(unlink(path), 0);
        end();
    }
    assert_int_equal(good, 2); /* behind the first, and behind the second chunk */
}

static void test_damaged(void **state)
{
    char bytes[200], path[512];
    (void)state;
    srandom(7);
    for (unsigned i = 0; i < 500; i++) {
        size_t size = 10 + (size_t)random() % 190;
        memcpy(bytes, "HEKAOWED1\n", 10);
        for (size_t at = 10; at < sizeof(bytes); at++)
            bytes[at] = (char)(random() % 5 == 0 ? random() : 0);
        begin();
        write_file("00000000000000000007", bytes, size);
        assert_true(peer_owed_load(&peer) >= 0);
        if (files("", path) > 0 || files(".bad", path) > 0)
            assert_int_equal(unlink(path), 0);
        end();
    }
}

/* A file that does not fit as a whole stays for later. */
static void test_no_room(void **state)
{
    char path[512];
    (void)state;
    begin();
    for (unsigned i = 0; i < 600; i++)
        add("x", 1);
    assert_int_equal(peer_owed_save(&peer), 0);
    assert_int_equal(peer_owed_load(&peer), 0);
    assert_int_equal(peer.count, 600);
    end();
    begin();
    assert_int_equal(peer_owed_load(&peer), 600);
    peer_owed_remove(&peer);
    assert_int_equal(files("", path), 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
