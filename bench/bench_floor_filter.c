/* bench_floor_filter.c: a libmilter filter that does nothing: takes every header and every byte
 * of every mail and accepts it. What it costs is the floor under every libmilter filter.
 *   bench_floor_filter [--no-replies] unix:PATH|inet:PORT@HOST
 * With --no-replies it asks the MTA not to wait for an answer before the end of the mail. */
#include <err.h>
#include <libmilter/mfapi.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

static bool floor_no_replies;

static sfsistat
floor_answer(void)
{
	return floor_no_replies ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat
floor_on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
    unsigned long f3, unsigned long *ret_f0, unsigned long *ret_f1, unsigned long *ret_f2,
    unsigned long *ret_f3)
{
	unsigned long wanted = SMFIP_HDR_LEADSPC;

	(void)ctx;
	(void)f2;
	(void)f3;
	if (floor_no_replies)
		wanted |= SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT |
			  SMFIP_NR_DATA | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY;
	if (floor_no_replies && (f1 & wanted) != wanted)
		floor_no_replies = false;
	*ret_f0 = f0 & SMFIF_ADDHDRS;
	*ret_f1 = f1 & wanted;
	*ret_f2 = 0;
	*ret_f3 = 0;
	return SMFIS_CONTINUE;
}

static sfsistat
floor_on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
	(void)ctx;
	(void)host;
	(void)address;
	return floor_answer();
}

static sfsistat
floor_on_helo(SMFICTX *ctx, char *name)
{
	(void)ctx;
	(void)name;
	return floor_answer();
}

static sfsistat
floor_on_address(SMFICTX *ctx, char **arguments)
{
	(void)ctx;
	(void)arguments;
	return floor_answer();
}

static sfsistat
floor_on_header(SMFICTX *ctx, char *name, char *value)
{
	(void)ctx;
	(void)name;
	(void)value;
	return floor_answer();
}

static sfsistat
floor_on_step(SMFICTX *ctx)
{
	(void)ctx;
	return floor_answer();
}

static sfsistat
floor_on_body(SMFICTX *ctx, unsigned char *data, size_t len)
{
	(void)ctx;
	(void)data;
	(void)len;
	return floor_answer();
}

static sfsistat
floor_on_end(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_ACCEPT;
}

int
main(int argc, char **argv)
{
	static char name[] = "floor";
	struct smfiDesc filter = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS,
		.xxfi_connect = floor_on_connect,
		.xxfi_helo = floor_on_helo,
		.xxfi_envfrom = floor_on_address,
		.xxfi_envrcpt = floor_on_address,
		.xxfi_header = floor_on_header,
		.xxfi_eoh = floor_on_step,
		.xxfi_body = floor_on_body,
		.xxfi_eom = floor_on_end,
		.xxfi_data = floor_on_step,
		.xxfi_negotiate = floor_on_negotiate,
	};

	if (argc == 3 && strcmp(argv[1], "--no-replies") == 0)
		floor_no_replies = true;
	else if (argc != 2)
		errx(EX_USAGE,
		    "usage: bench_floor_filter [--no-replies] unix:PATH|inet:PORT@HOST");
	umask(0111);
	if (smfi_register(filter) == MI_FAILURE || smfi_setconn(argv[argc - 1]) == MI_FAILURE ||
	    smfi_opensocket(true) == MI_FAILURE)
		errx(EX_UNAVAILABLE, "cannot listen on '%s'", argv[argc - 1]);
	return smfi_main() == MI_SUCCESS ? 0 : EX_SOFTWARE;
}
