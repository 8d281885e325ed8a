# fish completion for cordon(1)
set -l mail filter deliver reinject qmail-queue
set -l commands scan explain list status check-config dump-config reload version smtp opensmtpd $mail
complete -c cordon -f
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a scan -d 'Look at files, folders, Maildirs and mboxes'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a explain -d 'Show how a file is taken apart and what is decided'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a list -d 'Print the members of files as a table'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a status -d 'Ask the running daemon'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a check-config -d 'Name every mistake in the configuration'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a dump-config -d 'Print the configuration in force'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a reload -d 'Read configuration and signatures again'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a version -d 'Print the version'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a filter -d 'A mail on standard input, the checked mail on standard output'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a deliver -d 'The checked mail becomes standard input of a delivery agent'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a reinject -d 'The checked mail is handed back to sendmail'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a smtp -d 'SMTP on standard input and output'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a opensmtpd -d 'A filter of OpenSMTPD'
complete -c cordon -n "not __fish_seen_subcommand_from $commands" -a qmail-queue -d 'In the place of the program of qmail'
complete -c cordon -n "__fish_seen_subcommand_from smtp opensmtpd $mail" -l listener -x -d 'Name of a listener'
complete -c cordon -n "__fish_seen_subcommand_from smtp opensmtpd $mail" -l local -d 'Without the daemon'
complete -c cordon -n "__fish_seen_subcommand_from smtp opensmtpd $mail" -l no-local -d 'Never without the daemon'
complete -c cordon -n "__fish_seen_subcommand_from $mail" -s f -x -d 'Envelope sender'
complete -c cordon -n "__fish_seen_subcommand_from $mail" -l infected -x -a 'reject discard tempfail' -d 'What is done with infected mail'
for option in client client-name helo user queue-id
    complete -c cordon -n "__fish_seen_subcommand_from $mail" -l $option -x -d 'For the log'
end
complete -c cordon -n "__fish_seen_subcommand_from reinject" -l sendmail -r -F -d 'Program'
complete -c cordon -n "__fish_seen_subcommand_from qmail-queue" -l qmail-queue -r -F -d 'Program'
complete -c cordon -n "__fish_seen_subcommand_from scan explain list status check-config dump-config reload smtp opensmtpd $mail" -s c -r -F -d 'Configuration file'
complete -c cordon -n "__fish_seen_subcommand_from scan list status" -l json -d 'As JSON'
complete -c cordon -n "__fish_seen_subcommand_from scan explain list" -l local -d 'Without the daemon'
complete -c cordon -n "__fish_seen_subcommand_from dump-config" -l defaults -d 'Documented defaults'
complete -c cordon -n "__fish_seen_subcommand_from scan explain list" -F
