/* SPDX-License-Identifier: MPL-2.0
 *
 * fuzz_hekad_config.c - any bytes as hekad's configuration, up to the plan for the data plane.
 *
 * What is refused has an error text; what is accepted becomes a plan that is JSON and has all
 * consumers.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/config/hekad_config.h"
#include "control/plugins/instances.h"
#include "control/plan_writer.h"
#include "core/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_plan(const struct instances *instances)
{
    struct conf_doc *doc = NULL;
    char *plan = plan_writer_text(instances, 1, NULL);
    if (plan == NULL) /* names that are not UTF-8 cannot be JSON; daemon.c says so */
        return;
    CHECK(json_parse(plan, strlen(plan), "plan", &doc, NULL) == 0);
    const struct conf_node *consumers = conf_get(conf_root(doc), "consumers");
    CHECK(consumers != NULL && consumers->count == instances->output_count);
    conf_doc_free(doc);
    free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct err err;
    static int fd = -1;
    char path[64];
    struct hekad_config *config = NULL;
    struct instances *instances = NULL;
    if (fd < 0)
        fd = memfd_create("hekad.toml", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, 0) == 0);
    CHECK(pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    err.count = 0;
    int rc = hekad_config_load(path, NULL, &config, &err, NULL);
    CHECK(config != NULL && (rc != 0) == (err.count > 0));
    unsigned before = err.count;
    rc = instances_build(config, NULL, &instances, &err, NULL);
    CHECK((rc != 0) == (err.count > before) && (rc == 0) == (instances != NULL));
    if (instances != NULL)
        check_plan(instances);
    instances_free(instances);
    hekad_config_free(config);
    return 0;
}
