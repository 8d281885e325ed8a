/* macro_text.h: what macro source and command lines are likely to do, judged by words. */
#ifndef CORDON_DECOMPOSE_MACRO_TEXT_H
#define CORDON_DECOMPOSE_MACRO_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* FACT_BIT()s of VBA source: MACRO when there is code beside declarations, AUTO_MACRO when a
 * procedure bears a name that Office calls by itself, SUSPICIOUS_CALL when the code starts
 * programs, loads files or writes them. MS-VBAL; names of procedures and calls as olevba has
 * them. Words in comments do not count. */
uint64_t macro_text_judge(struct slice source);
/* True when a command line starts an interpreter or a tool that loads files. */
bool macro_text_is_command(struct slice line);

#endif
