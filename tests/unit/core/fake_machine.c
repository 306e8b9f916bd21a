/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/core/fake_machine.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"

static bool cpu_allowed(void *arg, unsigned cpu)
{
    const struct fake_machine *fake = arg;
    CHECK(cpu < FAKE_CPUS_MAX);
    return !fake->is_denied[cpu];
}

static int numa_of_cpu(void *arg, unsigned cpu)
{
    const struct fake_machine *fake = arg;
    CHECK(cpu < FAKE_CPUS_MAX);
    return fake->nodes[cpu];
}

static int numa_of_device(void *arg, const char *device)
{
    const struct fake_machine *fake = arg;
    for (unsigned i = 0; i < fake->device_count; i++)
        if (strcmp(fake->devices[i].name, device) == 0)
            return fake->devices[i].node;
    return -1;
}

void fake_machine_init(struct fake_machine *fake, unsigned cpu_count)
{
    memset(fake, 0, sizeof(*fake));
    fake->machine = (struct core_map_machine){.cpu_count = cpu_count,
                                              .cpu_allowed = cpu_allowed,
                                              .numa_of_cpu = numa_of_cpu,
                                              .numa_of_device = numa_of_device,
                                              .arg = fake};
    for (unsigned cpu = 0; cpu < FAKE_CPUS_MAX; cpu++)
        fake->nodes[cpu] = -1;
}

static void read_device(struct fake_machine *fake, const char *name, int node)
{
    CHECK(fake->device_count < FAKE_DEVICES_MAX);
    snprintf(fake->devices[fake->device_count].name, sizeof(fake->devices[0].name), "%s", name);
    fake->devices[fake->device_count++].node = node;
}

static void read_line(struct fake_machine *fake, char *line)
{
    char *rest = NULL;
    const char *words[4];
    int numbers[4];
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        words[i] = strtok_r(i == 0 ? line : NULL, " \n", &rest);
        words[i] = words[i] != NULL ? words[i] : "";
        numbers[i] = (int)strtol(words[i], NULL, 10);
    }
    if (strcmp(words[0], "cpus") == 0)
        fake->machine.cpu_count = (unsigned)numbers[1];
    else if (strcmp(words[0], "huge") == 0)
        fake->machine.huge_pages_free_mbytes = (unsigned)numbers[1];
    else if (strcmp(words[0], "device") == 0)
        read_device(fake, words[1], numbers[2]);
    else
        CHECK(strcmp(words[0], "nodes") == 0 || strcmp(words[0], "deny") == 0);
    for (int cpu = numbers[1]; cpu <= numbers[2] && cpu < FAKE_CPUS_MAX; cpu++) {
        if (strcmp(words[0], "nodes") == 0)
            fake->nodes[cpu] = numbers[3];
        if (strcmp(words[0], "deny") == 0)
            fake->is_denied[cpu] = true;
    }
}

void fake_machine_read(struct fake_machine *fake, const char *path)
{
    char line[128];
    fake_machine_init(fake, 8);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof(line), file) != NULL)
        read_line(fake, line);
    fclose(file);
    CHECK(fake->machine.cpu_count > 0 && fake->machine.cpu_count <= FAKE_CPUS_MAX);
}
