/* SPDX-License-Identifier: MPL-2.0
 *
 * test_logstream_names.c - which files are found, the names of their streams, and their order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/logstreamer/logstream_options.h"
#include "tests/unit/control/logstreamer/log_rig.h"

static const char dated[] =
    "/(?P<Year>\\d+)/(?P<Month>\\d+)/(?P<Type>\\w+)\\.log(\\.(?P<Seq>\\d+))?";
static const char *const by_date[] = {"Year", "Month", "^Seq", NULL};

/* Year, month, files of access.log and of error.log: the tree of Heka's own tests. */
static const unsigned tree[][4] = {
    {2010, 5, 4, 0}, {2010, 7, 3, 3}, {2010, 8, 5, 4}, {2012, 4, 4, 2},
    {2012, 9, 2, 6}, {2013, 1, 2, 4}, {2013, 4, 4, 2}, {2013, 8, 2, 5},
};

static void make_files(struct log_rig *rig, const unsigned *row, const char *type, unsigned count)
{
    char name[64];
    for (unsigned i = 0; i < count; i++) {
        int len = snprintf(name, sizeof(name), "%u/%02u/%s.log", row[0], row[1], type);
        if (i > 0)
            snprintf(name + len, sizeof(name) - (size_t)len, ".%u", i);
        log_rig_write(rig, name, "");
    }
}

static void make_tree(struct log_rig *rig)
{
    for (unsigned i = 0; i < sizeof(tree) / sizeof(tree[0]); i++) {
        make_files(rig, tree[i], "access", tree[i][2]);
        make_files(rig, tree[i], "error", tree[i][3]);
    }
    log_rig_write(rig, "subdir/file.log", "");
    log_rig_write(rig, "subdir/file.log.1", "");
    log_rig_write(rig, "subdir/file.log.2", "");
}

static void expect_entry(struct log_rig *rig, unsigned stream, unsigned index, const char *name)
{
    char path[PATH_MAX];
    log_rig_path(rig, name, path);
    assert_true(stream < rig->set.stream_count);
    assert_true(index < rig->set.streams[stream]->entry_count);
    assert_string_equal(rig->set.streams[stream]->entries[index].path, path);
}

static void test_dated_tree(void **state)
{
    struct log_rig rig;
    (void)state;
    log_rig_init(&rig, dated, by_date);
    make_tree(&rig);
    rig.differentiator[0] = "Type";
    rig.config.pattern.differentiator = (struct schema_list){rig.differentiator, 1};
    log_rig_start(&rig);
    assert_int_equal(rig.notes.count, 0);
    assert_int_equal(rig.set.stream_count, 2);
    assert_string_equal(rig.set.streams[0]->name, "access");
    assert_string_equal(rig.set.streams[1]->name, "error");
    assert_int_equal(rig.set.streams[0]->entry_count, 26);
    assert_int_equal(rig.set.streams[1]->entry_count, 26);
    expect_entry(&rig, 0, 0, "2010/05/access.log.3");
    expect_entry(&rig, 0, 3, "2010/05/access.log");
    expect_entry(&rig, 0, 25, "2013/08/access.log");
    expect_entry(&rig, 1, 0, "2010/07/error.log.2");
    expect_entry(&rig, 1, 25, "2013/08/error.log");
    log_rig_stop(&rig);
    rig.differentiator[0] = "website-";
    rig.differentiator[1] = "Type";
    rig.config.pattern.differentiator.count = 2;
    log_rig_start(&rig);
    assert_int_equal(rig.set.stream_count, 2);
    assert_string_equal(rig.set.streams[0]->name, "website-access");
    assert_string_equal(rig.set.streams[1]->name, "website-error");
    log_rig_fini(&rig);
}

static unsigned count_matches(struct log_rig *rig, const char *file_match)
{
    unsigned count = 0;
    rig->config.pattern.file_match = file_match;
    log_rig_start(rig);
    for (unsigned i = 0; i < rig->set.stream_count; i++)
        count += rig->set.streams[i]->entry_count;
    log_rig_stop(rig);
    return count;
}

static void test_matches(void **state)
{
    static const char *const any[] = {"Any", NULL};
    struct log_rig rig;
    char path[PATH_MAX];
    (void)state;
    log_rig_init(&rig, "", any);
    make_tree(&rig);
    assert_int_equal(count_matches(&rig, "/subdir/.*\\.log(\\..*)?"), 3);
    assert_int_equal(count_matches(&rig, "/subdir/.*\\.logg(.*)?"), 0);
    assert_int_equal(count_matches(&rig, dated), 52);
    assert_int_equal(count_matches(&rig, "subdir/file\\.log$"), 1); /* the slash is put in */
    assert_int_equal(count_matches(&rig, "subdir/file\\.log"), 1);  /* and the end */
    assert_int_equal(count_matches(&rig, "file\\.log"), 0);
    /* Links to files are followed, links to folders are not. */
    log_rig_path(&rig, "link.log", path);
    assert_int_equal(symlink("subdir/file.log", path), 0);
    log_rig_path(&rig, "linked", path);
    assert_int_equal(symlink("subdir", path), 0);
    log_rig_path(&rig, "dangling.log", path);
    assert_int_equal(symlink("nowhere", path), 0);
    log_rig_path(&rig, "pipe.log", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(count_matches(&rig, ".*\\.log"), 1 + 1 + 15);
    assert_int_equal(rig.notes.count, 0);
    log_rig_fini(&rig);
}

static void test_sequence(void **state)
{
    static const char *const up[] = {"N", NULL}, *const down[] = {"^N", NULL};
    struct log_rig rig;
    (void)state;
    log_rig_init(&rig, "file\\.log(\\.(?P<N>\\d+))?", up);
    log_rig_write(&rig, "file.log", "");
    log_rig_write(&rig, "file.log.10", "");
    log_rig_write(&rig, "file.log.9", "");
    log_rig_start(&rig);
    expect_entry(&rig, 0, 0, "file.log");
    expect_entry(&rig, 0, 1, "file.log.9");
    expect_entry(&rig, 0, 2, "file.log.10");
    assert_string_equal(rig.set.streams[0]->name, "logs"); /* no differentiator: the default */
    log_rig_stop(&rig);
    rig.priority[0] = down[0];
    log_rig_start(&rig);
    expect_entry(&rig, 0, 0, "file.log.10");
    expect_entry(&rig, 0, 1, "file.log.9");
    expect_entry(&rig, 0, 2, "file.log");
    log_rig_fini(&rig);
}

static struct conf_doc *parse(const char *toml)
{
    struct conf_doc *doc = NULL;
    struct err err = {0};
    assert_int_equal(toml_parse(toml, strlen(toml), "test", NULL, &doc, &err), 0);
    return doc;
}

/* Scans with a translation; `note` is the only one, or NULL: there is none. */
static void start_translated(struct log_rig *rig, struct conf_doc *doc, const char *note)
{
    memset(&rig->notes, 0, sizeof(rig->notes));
    rig->config.pattern.translation = conf_get(conf_root(doc), "t");
    log_rig_start(rig);
    assert_int_equal(rig->notes.count, note != NULL);
    if (note != NULL)
        assert_string_equal(rig->notes.texts[0], note);
}

static void test_translation(void **state)
{
    static const char *const by_number[] = {"N", NULL};
    struct log_rig rig;
    (void)state;
    log_rig_init(&rig, "a(\\.(?P<N>\\w+))?", by_number);
    log_rig_write(&rig, "a", "");
    log_rig_write(&rig, "a.1", "");
    log_rig_write(&rig, "a.2", "");
    struct conf_doc *doc = parse("[t.N]\nmissing = 5\n");
    start_translated(&rig, doc, NULL);
    expect_entry(&rig, 0, 0, "a.1");
    expect_entry(&rig, 0, 2, "a");
    log_rig_stop(&rig);
    conf_doc_free(doc);

    log_rig_rename(&rig, "a.1", "a.Pony");
    log_rig_rename(&rig, "a.2", "a.cow");
    doc = parse("[t.N]\nmissing = 9\nCOW = 1\npony = 3\n");
    start_translated(&rig, doc, NULL);
    expect_entry(&rig, 0, 0, "a.cow");
    expect_entry(&rig, 0, 1, "a.Pony");
    expect_entry(&rig, 0, 2, "a");
    log_rig_stop(&rig);
    conf_doc_free(doc);

    doc = parse("[t.N]\nmissing = 9\ncow = 1\n");
    start_translated(&rig, doc, "Value 'Pony' not found in translation map 'N'.");
    expect_entry(&rig, 0, 0, "a.Pony"); /* read, and first */
    log_rig_fini(&rig);
    conf_doc_free(doc);
}

static void test_calendar(void **state)
{
    static const char *const order[] = {"MonthName", "DayName", NULL};
    struct log_rig rig;
    (void)state;
    log_rig_init(&rig, "(?P<MonthName>\\w+)-(?P<DayName>\\w+)", order);
    log_rig_write(&rig, "October-sun", "");
    log_rig_write(&rig, "oct-MON", "");
    log_rig_write(&rig, "Feb-Tuesday", "");
    log_rig_start(&rig);
    assert_int_equal(rig.notes.count, 0);
    expect_entry(&rig, 0, 0, "Feb-Tuesday");
    expect_entry(&rig, 0, 1, "oct-MON");
    expect_entry(&rig, 0, 2, "October-sun");
    assert_int_equal(rig.set.streams[0]->entries[2].parts[0], 10);
    assert_int_equal(rig.set.streams[0]->entries[2].parts[1], 6);
    log_rig_stop(&rig);
    log_rig_write(&rig, "Octoberrr-mon", "");
    log_rig_start(&rig);
    assert_int_equal(rig.notes.count, 1);
    assert_string_equal(rig.notes.texts[0], "Unable to locate month name: Octoberrr");
    log_rig_stop(&rig);
    log_rig_remove(&rig, "Octoberrr-mon");
    log_rig_write(&rig, "may-someday", "");
    memset(&rig.notes, 0, sizeof(rig.notes));
    log_rig_start(&rig);
    assert_string_equal(rig.notes.texts[0], "Unable to locate day name: someday");
    log_rig_fini(&rig);
}

static void test_unsorted(void **state)
{
    struct log_rig rig;
    char expected[512];
    (void)state;
    log_rig_init(&rig, "(?P<Name>\\w+)\\.log(\\.\\d+)?", NULL);
    rig.differentiator[0] = "Name";
    rig.config.pattern.differentiator = (struct schema_list){rig.differentiator, 1};
    log_rig_write(&rig, "one.log", "");
    log_rig_write(&rig, "two.log", "");
    log_rig_write(&rig, "two.log.1", "");
    log_rig_start(&rig);
    assert_int_equal(rig.set.stream_count, 1); /* the other can be read */
    assert_string_equal(rig.set.streams[0]->name, "one");
    assert_int_equal(rig.notes.count, 1);
    snprintf(expected, sizeof(expected),
             "Found multiple logfiles without Priority to sort on for name: two, filematch: "
             "(?P<Name>\\w+)\\.log(\\.\\d+)?, files: [%s/logs/two.log %s/logs/two.log.1]",
             rig.dir, rig.dir);
    assert_string_equal(rig.notes.texts[0], expected);
    log_rig_fini(&rig);
}

/* While gzip works there are both; the plain file counts. */
static void test_compressed_twin(void **state)
{
    static const char *const down[] = {"^N", NULL};
    struct log_rig rig;
    (void)state;
    log_rig_init(&rig, "a(\\.(?P<N>\\d+))?(\\.gz)?", down);
    log_rig_write(&rig, "a", "");
    log_rig_write(&rig, "a.1", "");
    log_rig_write(&rig, "a.1.gz", "");
    log_rig_write(&rig, "a.2.gz", "");
    log_rig_start(&rig);
    assert_int_equal(log_rig_stream(&rig)->entry_count, 3);
    expect_entry(&rig, 0, 0, "a.2.gz");
    expect_entry(&rig, 0, 1, "a.1");
    expect_entry(&rig, 0, 2, "a");
    log_rig_fini(&rig);
}

static void test_old_files(void **state)
{
    static const char *const down[] = {"^N", NULL};
    struct log_rig rig;
    (void)state;
    log_rig_init(&rig, "a(\\.(?P<N>\\d+))?", down);
    log_rig_write(&rig, "a", "");
    log_rig_write(&rig, "a.1", "");
    log_rig_set_age(&rig, "a.1", 3600);
    rig.config.oldest_ns = INT64_C(1800) * 1000000000;
    log_rig_start(&rig);
    assert_int_equal(log_rig_stream(&rig)->entry_count, 1);
    expect_entry(&rig, 0, 0, "a");
    log_rig_stop(&rig);
    rig.config.oldest_ns = 0;
    log_rig_start(&rig);
    assert_int_equal(log_rig_stream(&rig)->entry_count, 2);
    log_rig_fini(&rig);
}

/* A journal has to have a name that is a file's. */
static void test_bad_names(void **state)
{
    struct log_rig rig;
    (void)state;
    log_rig_init(&rig, "x(?P<N>.*)y", NULL);
    rig.differentiator[0] = "N";
    rig.config.pattern.differentiator = (struct schema_list){rig.differentiator, 1};
    log_rig_write(&rig, "xy", "");
    log_rig_write(&rig, "x..y", "");
    log_rig_write(&rig, "xa/by", "");
    log_rig_start(&rig);
    assert_int_equal(rig.notes.count, 2);
    assert_string_equal(log_rig_stream(&rig)->name, "a/b");
    log_rig_append(&rig, "xa/by", "line\n");
    log_rig_drain(&rig);
    log_rig_expect(&rig, "line\n");
    char text[512];
    log_rig_journal(&rig, "a/b", text, sizeof(text));
    assert_non_null(strstr(text, "\"seek\":5,"));
    log_rig_fini(&rig);
}

static void expect_refused(struct log_rig *rig, const char *text)
{
    struct logstream_set set;
    struct err err = {0};
    assert_int_equal(logstream_set_init(&set, &rig->config, &err), -1);
    assert_int_equal(err.count, 1);
    assert_non_null(strstr(err.texts[0], text));
}

static void test_refused(void **state)
{
    struct log_rig rig;
    (void)state;
    log_rig_init(&rig, "", NULL);
    expect_refused(&rig, "file_match: `file_match` setting is required.");
    rig.config.pattern.file_match = "a(b";
    expect_refused(&rig, "file_match: 'a(b': ");
    rig.config.pattern.file_match = "a";
    struct conf_doc *doc = parse("[t.Seq]\nmissin = 9999\n");
    rig.config.pattern.translation = conf_get(conf_root(doc), "t");
    expect_refused(&rig, "A translation map with one entry ('Seq') must be specifying a "
                         "'missing' key.");
    conf_doc_free(doc);
    doc = parse("[t]\nSeq = 3\n");
    rig.config.pattern.translation = conf_get(conf_root(doc), "t");
    expect_refused(&rig, "translation: Seq is integer, allowed a table of numbers");
    conf_doc_free(doc);
    doc = parse("[t.Seq]\na = 1\nb = \"x\"\n");
    rig.config.pattern.translation = conf_get(conf_root(doc), "t");
    expect_refused(&rig, "translation: Seq.b is string, allowed a number");
    conf_doc_free(doc);
    rig.config.pattern.translation = NULL;
    rig.config.pattern.log_directory = "/nonexistent-folder";
    expect_refused(&rig, "log_directory: /nonexistent-folder: No such file or directory");
    log_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dated_tree),      cmocka_unit_test(test_matches),
        cmocka_unit_test(test_sequence),        cmocka_unit_test(test_translation),
        cmocka_unit_test(test_calendar),        cmocka_unit_test(test_unsorted),
        cmocka_unit_test(test_compressed_twin), cmocka_unit_test(test_old_files),
        cmocka_unit_test(test_bad_names),       cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
