# The mail with a link.

for-whom = { $named ->
    [yes] for { $organisation }
   *[no] for your organisation
}
subject = { $operator } asks for your approval { for-whom }: { $apps }
greeting = Hello,
asks = { $operator } asks for your approval in Microsoft 365 { for-whom }. It is about:
what-to-do = What to do:
open-privately = Open this link in a private window of your browser, so that no other account gets in the way:
read-our-page = Read there who asks for what, and press the button.
sign-in = Sign in at Microsoft with an administrator account of your organisation (usually “Global Administrator”).
accept = Read Microsoft's list and choose “Accept”. Afterwards our page shows whether it worked.
pass-on = You are not an administrator? Then please pass this message on to an administrator.
how-to-tell = How to tell that this message is genuine:
link-begins-with = The link begins with:
sign-in-begins-with = We never ask for your password. You sign in at Microsoft, on a page that begins with:
in-doubt = If in doubt, open nothing and ask us, best by a number that you already have. You reach us at:
works-until = The link works until { $moment } (UTC), and only for your organisation.
our-reference = Our reference:
