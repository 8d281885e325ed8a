# fish completion for cordon(1)
set -l commands scan explain list status check-config dump-config reload version
complete -c cordon -f
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a scan -d 'Look at files, folders, Maildirs and mboxes'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a explain -d 'Show how a file is taken apart and what is decided'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a list -d 'Print the members of files as a table'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a status -d 'Ask the running daemon'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a check-config -d 'Name every mistake in the configuration'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a dump-config -d 'Print the configuration in force'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a reload -d 'Read configuration and signatures again'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a version -d 'Print the version'
complete -c cordon -n "__fish_seen_subcommand_from scan explain list status check-config dump-config reload" -s c -r -F -d 'Configuration file'
complete -c cordon -n "__fish_seen_subcommand_from scan list status" -l json -d 'As JSON'
complete -c cordon -n "__fish_seen_subcommand_from scan explain list" -l local -d 'Without the daemon'
complete -c cordon -n "__fish_seen_subcommand_from dump-config" -l defaults -d 'Documented defaults'
complete -c cordon -n "__fish_seen_subcommand_from scan explain list" -F
