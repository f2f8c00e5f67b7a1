# The letter that a reader who cannot approve passes on to an administrator.

subject = Please approve { $apps }
greeting = Hello,
asks = { $operator } asks our organisation to approve { $apps } at Microsoft. This takes an administrator: { $roles }.
asks-for-named = { $operator } asks our organisation ({ $organisation }) to approve { $apps } at Microsoft. This takes an administrator: { $roles }.
apps-and-next = { $before }, { $next }
apps-and-last = { $before } and { $last }
open-link = Please open this link in a private window, and sign in with your administrator account:
how-to-tell = The page says what is asked for and how to tell that it is genuine. If in doubt, call { $operator } on the number we already have. The link works until { $end }.
