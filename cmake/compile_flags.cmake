# Warnings, hardening, sanitizers: for every target.
add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
	-Wold-style-definition -Wpointer-arith -Wwrite-strings -Wformat=2 -Wundef -Wvla
	-Wimplicit-fallthrough -fno-strict-aliasing -fno-common)
if(CORDON_WERROR)
	add_compile_options(-Werror)
endif()
if(CORDON_SANITIZE)
	add_compile_options(-fsanitize=${CORDON_SANITIZE} -fno-sanitize-recover=undefined)
	add_link_options(-fsanitize=${CORDON_SANITIZE})
else()
	add_compile_options(-fstack-protector-strong -fstack-clash-protection
		$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
	if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
		add_compile_options(-fcf-protection)
	endif()
	add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
endif()
if(CORDON_FUZZ)
	add_compile_options(-fsanitize=fuzzer-no-link)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
add_compile_definitions(_GNU_SOURCE CORDON_VERSION="${PROJECT_VERSION}"
	CORDON_LIBEXECDIR="${CMAKE_INSTALL_FULL_LIBEXECDIR}/cordon"
	CORDON_SYSCONFDIR="${CMAKE_INSTALL_FULL_SYSCONFDIR}")
