# The frame of every page, the parts of result pages, and the notices. Every text gets `{ $operator }`, `{ $support }` and `{ $app }`.

the-app = the app
questions = Questions? Reach { $operator }: { $contact }
contact-mail = Email { $operator }
ask-for-link = Ask { $operator } for a new link
contact-call = Call { $operator }
contact-subject = Approval of { $app }
privacy-notice = Privacy notice
privacy-notice-at = Privacy notice: { $address }
named-by-operator = (as named by { $operator })
moment = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
} { $year }, { $time } UTC
ago-now = just now
ago-seconds = { $count } seconds ago
ago-minutes = { $count } minutes ago
ago-hours = { $count } hours ago
ago-days = { $count } days ago

# The roles that can approve, by their names in Microsoft's portal.
roles-high = Global Administrator or Privileged Role Administrator
roles-any = Global Administrator, Application Administrator or Cloud Application Administrator

# Parts of result pages.

approval-of = Approval of { $app }
can-change-once-fixed = This result can still change once that is fixed.
can-change-soon = Microsoft needs some minutes to show a change everywhere, so this result can still change.
reported-by-page = Microsoft's page reported { $code }: { $meaning }
reported-to-check = Microsoft answered our check with { $code }: { $meaning }

try-again = Open the link again
try-again-as-admin = Try again with an administrator account
try-again-private-window = To choose another account, right-click the button (or press and hold it) and open it in a private window.
try-again-ask = If you no longer have the link, ask { $operator }: { $support }.
pass-on-mail = Email this to my administrator
policy-mail = Email the person who manages these rules
policy-subject = Please allow { $app }
policy-request = A sign-in rule of our organisation, such as Conditional Access, stopped the approval of { $app } or the check of it. Please allow it. These details help to find the rule:
sign-out-first = The browser keeps choosing the wrong account
sign-out-everywhere = Sign out at Microsoft, then try again. This signs you out of Microsoft 365 in every tab of this browser, Outlook and Teams included, so save your work there first.
sign-out = Sign out at Microsoft
partner = You manage this organisation as a partner (GDAP)
partner-account = An account of your own company often does not work here. Use an account of the organisation itself, or approve { $app } with your partner tools and tell { $operator }.

chain-line = { $chain }: { $progress }
chain-progress = { $done } of { $total } approved
chain-total = { $total } apps
chain-continue = Continue

reloads-in = { $seconds ->
    [one] This page reloads by itself in { $seconds } second; Microsoft is asked again at most every 30 seconds.
   *[other] This page reloads by itself in { $seconds } seconds; Microsoft is asked again at most every 30 seconds.
}
reloads-stop = Stop reloading
check-again = Check again

list-granted = What the app can do now
list-forbidden = Permissions that { $operator } does not want
list-forbidden-note = Microsoft shows them as approved.
list-missing = Missing permissions
list-unseen = Permissions that we could not see
list-unseen-note = The Microsoft Graph permission { $permission } would show them to { $operator }.
list-unexpected = Additional permissions
list-unexpected-note = Microsoft shows them as approved. They are not on the list of { $operator }.
list-optional-absent = Optional permissions, not approved
list-optional-absent-note = They are not required.
list-more = and { $count } more
permission-application = { $resource }, application permission
permission-delegated = { $resource }, delegated permission

facts-app = App
facts-organisation = Organisation
facts-link-is-for = The link is for
facts-last-checked = Last checked
facts-checked-ago = { $moment }, { $ago }

closing-may-close = You can close this page.
closing-keeps-looking = We keep checking.
closing-will-confirm = We keep checking, and { $operator } can see the answer in its records.
closing-please-reload = Please reload this page in a minute: this is not your doing, we could not arrange for another check yet.
closing-informed = { $operator } has been informed.
closing-being-informed = { $operator } is being informed.
closing-in-records = { $operator } can see this in its records.

# The Microsoft Entra admin centre.
centre = Enterprise apps in the Microsoft Entra admin centre
centre-open = Open { $centre } (Entra ID, then Enterprise apps).
centre-choose = Open All applications and choose { $name }.
centre-undo = How to undo this
centre-delete = To withdraw the approval, open Properties and choose Delete.
centre-pause = To pause the app instead, open Properties, set "Enabled for users to sign in?" to No, and save.
centre-remove = If you approved { $app } in the wrong organisation
centre-enable = How to switch it on
centre-properties = Open Properties, set "Enabled for users to sign in?" to Yes, and save.
centre-decide = Where a reviewer decides
centre-requests = Under Activity, open Admin consent requests.
centre-review = Choose { $app } under My Pending, then review it.

details-heading = Details for support
details-outcome = Outcome
details-code = Microsoft's code
details-code-by-browser = { $code } (came with the browser)
details-code-to-check = { $code } (answered to our check)
details-trace-id = Microsoft's trace id
details-correlation-id = Microsoft's correlation id
details-reference = Reference
details-record = Record
details-time = Time

# Notices: answers without an outcome.

open-again = If { $operator } sent you a link, please open it again from the original message.
notice-for-operator = For { $operator }

notice-root-title = Approvals for { $operator }
notice-root-sentence = When an administrator approves an app of { $operator } at Microsoft, the browser comes back to this address. We then ask Microsoft whether the approval is there, and show where it stands.
notice-root-next = { open-again }

notice-no-such-page-title = There is no page at this address
notice-no-such-page-sentence = The address may be cut short or mistyped.
notice-no-such-page-next = { open-again }

notice-method-not-allowed-title = This address cannot be used in this way
notice-method-not-allowed-sentence = Something other than a browser opening a link asked for this page. Nothing was changed.
notice-method-not-allowed-next = { open-again }

notice-too-large-title = More arrived than we can read
notice-too-large-sentence = What came to this address is larger than any answer from Microsoft. A program on the way may have added to it.
notice-too-large-next = { open-again }

notice-renewal-requested-title = Your request has gone to { $operator }
notice-renewal-requested-sentence = You asked for a new link.
notice-renewal-requested-next = { $operator } will write to the contact that they know in your organisation. You can close this page.

notice-renewal-not-sent-title = Your request did not reach { $operator }
notice-renewal-not-sent-sentence = We could not send it. You did nothing wrong.
notice-renewal-not-sent-next = Please ask { $operator } for a new link: { $support }.

notice-unsupported-media-type-title = This kind of content cannot be read here
notice-unsupported-media-type-sentence = Something other than a form sent by a browser came to this address. Nothing was changed.
notice-unsupported-media-type-next = { open-again }

reload-title = Please reload this page in a few minutes
reload-next = Wait a few minutes and reload this page. If it stays like this, please tell { $operator }: { $support }.

notice-not-recorded-title = { reload-title }
notice-not-recorded-sentence = This is not your doing: at the moment we cannot record your visit, so we say nothing about it. What you did at Microsoft is not lost by that.
notice-not-recorded-next = { reload-next }

notice-keys-unavailable-title = { reload-title }
notice-keys-unavailable-sentence = This is not your doing: at the moment we cannot read what we need to open the link. What you did at Microsoft is not lost by that.
notice-keys-unavailable-next = { reload-next }

notice-nothing-arrived-title = No answer from Microsoft came with this visit
notice-nothing-arrived-sentence = This page shows the result after Microsoft's approval page, and the address it was opened with holds no answer.
notice-nothing-arrived-next = If { $operator } sent you a link, please open that link again from the original message.
notice-nothing-arrived-operator = If the answer was behind a # in the address, it never reached the server. The redirect address has to be registered in the app registration for the platform Web, not for Single-page application.

# The help page, for an error number of Microsoft's page.

help-title = Help with an error on Microsoft's page
help-introduction = Microsoft's page shows an error number after the letters AADSTS. Enter the number here to see what it means and what helps.
help-number = Number after AADSTS
help-format = Five to seven digits
help-explain = Explain
help-mistyped = Enter only the five to seven digits after AADSTS.
help-unknown = We don't know this number. Please compare it with the number on Microsoft's page.
help-ask = If the number is right, please ask { $operator } for help: { $support }.
help-no-number = Does Microsoft's page show no number? Close it and press the button on our page again, or ask { $operator }: { $support }.
