/* user.c: giving up root. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "proc/cage.h"

int
process_drop_user(const char *user, const char *group, struct err *e)
{
	struct passwd *pw;
	gid_t gid;

	if (user == NULL || user[0] == '\0' || geteuid() != 0)
		return 0;
	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return err_set(e, errno, "there is no user '%s': make it (systemd-sysusers does), or "
		    "set `user` to another", user);
	gid = pw->pw_gid;
	if (group != NULL && group[0] != '\0') {
		struct group *gr = getgrnam(group);

		if (gr == NULL)
			return err_set(e, EINVAL, "there is no group '%s': make it, or set `group` to "
			    "another", group);
		gid = gr->gr_gid;
	}
	if (pw->pw_uid == 0)
		return 0;
	if (initgroups(user, gid) < 0 || setgid(gid) < 0 || setuid(pw->pw_uid) < 0)
		return err_set(e, errno, "cannot become user '%s'", user);
	if (setuid(0) == 0)
		return err_set(e, EPERM, "could become root again after giving it up");
	return 0;
}

int
process_own_folder(const char *folder, const char *user, const char *group)
{
	struct passwd *pw = user == NULL || user[0] == '\0' ? NULL : getpwnam(user);
	struct group *gr = group == NULL || group[0] == '\0' ? NULL : getgrnam(group);

	if (geteuid() != 0 || pw == NULL)
		return 0;
	if (chown(folder, pw->pw_uid, gr != NULL ? gr->gr_gid : pw->pw_gid) < 0)
		return -errno;
	return 0;
}
