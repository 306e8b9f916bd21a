/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_seal.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/sandbox/sandbox_page.h"

enum { NOBODY = 65534, DESCRIPTORS_MAX = 256 };

/* ---- the process ---- */

static int set_limit(int resource, rlim_t value)
{
    const struct rlimit limit = {value, value};
    return setrlimit((__rlimit_resource_t)resource, &limit);
}

/* Everything about files that the kernel's version knows, and a right to none of it. */
static void leave_files(void)
{
    static const uint64_t rights[] = {0, (1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1};
    const long count = (long)(sizeof(rights) / sizeof(rights[0]));
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return;
    const struct landlock_ruleset_attr attributes = {
        .handled_access_fs = rights[version < count ? version : count - 1]};
    int fd = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
    if (fd < 0)
        return;
    syscall(SYS_landlock_restrict_self, fd, 0);
    close(fd);
}

/* hekad may have some as an ordinary user, too. */
static void leave_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    syscall(SYS_capset, &head, none);
}

static int leave_user(struct err *err)
{
    if (geteuid() != 0)
        return 0;
    if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) != 0)
        return err_add(err, "another user: %s", strerror(errno));
    return 0;
}

int sandbox_seal_process(bool may_io, struct err *err)
{
    pid_t parent = getppid();
    if (!may_io) {
        unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS); /* root only */
        set_limit(RLIMIT_NOFILE, DESCRIPTORS_MAX);
        if (leave_user(err) != 0)
            return -1;
        leave_capabilities();
    }
    set_limit(RLIMIT_CORE, 0);
    /* The change of user has undone it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        return err_add(err, "hekad is gone");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_add(err, "no_new_privs: %s", strerror(errno));
    prctl(PR_SET_DUMPABLE, 0);
    if (!may_io)
        leave_files();
    return 0;
}

/* ---- system calls ---- */

/* Without arguments that matter. */
static const int allowed[] = {
    SCMP_SYS(brk),          SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(close),        SCMP_SYS(exit),          SCMP_SYS(exit_group),
    SCMP_SYS(futex),        SCMP_SYS(getpid),        SCMP_SYS(getrandom),
    SCMP_SYS(gettid),       SCMP_SYS(lseek),         SCMP_SYS(madvise),
    SCMP_SYS(mremap),       SCMP_SYS(munmap),        SCMP_SYS(nanosleep),
    SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_yield),  SCMP_SYS(sigaltstack),
};

/* Nothing of ours tries these, whatever goes wrong. */
static const int deadly[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork),   SCMP_SYS(vfork),
    SCMP_SYS(ptrace), SCMP_SYS(socket),   SCMP_SYS(connect), SCMP_SYS(bind),
    SCMP_SYS(bpf),    SCMP_SYS(mount),    SCMP_SYS(unshare), SCMP_SYS(setns),
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(io_uring_setup),
};

static int add_list(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = calls[i] < 0 ? 0 : seccomp_rule_add(filter, action, calls[i], 0);
    return rc;
}

/* Only when the argument has this value; with a mask: of its bits. */
static int allow_if(scmp_filter_ctx filter, int call, unsigned argument, uint64_t mask,
                    uint64_t value)
{
    const struct scmp_arg_cmp compare = {
        .arg = argument,
        .op = mask != 0 ? SCMP_CMP_MASKED_EQ : SCMP_CMP_EQ,
        .datum_a = mask != 0 ? mask : value,
        .datum_b = value,
    };
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &compare);
}

/* Memory that is never executable, unless scripts are compiled. */
static int add_mapping(scmp_filter_ctx filter, int call, bool may_compile)
{
    return may_compile ? seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0)
                       : allow_if(filter, call, 2, PROT_EXEC, 0);
}

static int add_rules(scmp_filter_ctx filter, bool may_compile)
{
    int rc = add_list(filter, SCMP_ACT_ALLOW, allowed, sizeof(allowed) / sizeof(allowed[0]));
    if (rc == 0)
        rc = add_list(filter, SCMP_ACT_KILL_PROCESS, deadly, sizeof(deadly) / sizeof(deadly[0]));
    if (rc == 0)
        rc = add_mapping(filter, SCMP_SYS(mmap), may_compile);
    if (rc == 0)
        rc = add_mapping(filter, SCMP_SYS(mprotect), may_compile);
    if (rc == 0)
        rc = allow_if(filter, SCMP_SYS(recvmsg), 0, 0, SANDBOX_SOCKET_FD);
    if (rc == 0) /* last words */
        rc = allow_if(filter, SCMP_SYS(write), 0, 0, STDERR_FILENO);
    if (rc == 0)
        rc = allow_if(filter, SCMP_SYS(writev), 0, 0, STDERR_FILENO);
    if (rc == 0)
        rc = allow_if(filter, SCMP_SYS(tgkill), 0, 0, (uint64_t)getpid());
    return rc;
}

int sandbox_seal_calls(bool may_compile, struct err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return err_add(err, "seccomp: out of memory");
    int rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (rc == 0)
        rc = add_rules(filter, may_compile);
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc == 0 ? 0 : err_add(err, "seccomp: %s", strerror(-rc));
}
