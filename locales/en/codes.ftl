# What Microsoft's AADSTS codes mean, in words for people. `src/consent/aadsts.rs` has the rest of the table.
#
# `aadsts-CODE`: what Microsoft reported, for an administrator. Pages show it behind the code.
# `next-KEY` and `operator-KEY`: the next step on the page, and the line for the operator, for all codes of one row of the table.
# `what-KEY`: replaces `aadsts-CODE` for that row.
# "We" is the operator, who sent the link.
#
# Source of each code: Microsoft's published error reference (MicrosoftDocs/entra-docs, reference-error-codes.md, 2024-04-24), unless a
# comment above the code names another one. "Reference of 2025-02" is the later version of the same page.

aadsts-1000 = Microsoft stopped with a code that says nothing about the approval.
aadsts-16000 = The account from that sign-in provider does not exist in your organisation.
aadsts-16001 = The account tile that was picked could not be used.
aadsts-16002 = The session asked for is not the one that is signed in.
aadsts-16003 = The signed-in account was never added to your organisation.
aadsts-20001 = Your organisation's sign-in service sent an answer Microsoft could not use.
aadsts-20012 = The message from your organisation's sign-in service is not valid.
aadsts-20033 = The published settings of your organisation's sign-in service do not fit.
aadsts-28002 = The list of permissions is not valid.
aadsts-28003 = The list of permissions is empty.
# Public reports; microsoft-authentication-library-for-js#663; public code
aadsts-28004 = The list of permissions names several services at once.
aadsts-40008 = The external sign-in service reported a lasting problem.
aadsts-40009 = The external sign-in service refused to renew the person's sign-in.
aadsts-40010 = The external sign-in service had passing trouble.
aadsts-40015 = The external sign-in service refused the person's sign-in code.
# MS support article error-code-aadsts50000
aadsts-50000 = Microsoft could not finish the sign-in.
aadsts-50001 = The service that was asked for is disabled or does not exist.
aadsts-50002 = The network's proxy allows sign-in to certain organisations only.
aadsts-50005 = The device's platform is not allowed by the rules.
aadsts-50006 = The signature of the sign-in message does not verify.
aadsts-50008 = The answer of your organisation's sign-in service is incomplete or wrong.
# MS support article error-code-AADSTS50011
aadsts-50011 = The return address in the link is not registered for the app.
aadsts-50012 = Our certificate or the signature made with it was not accepted.
aadsts-50013 = Our signed proof is not valid.
aadsts-50014 = The guest invitation is not accepted yet, or the account is not there.
aadsts-50015 = The account needs a parent's consent because of age.
# MS support article error-code-aadsts50017
aadsts-50017 = The person's sign-in certificate could not be verified.
# Protocol reference §1.4 B
aadsts-50020 = The account belongs to another organisation or is personal, and is no guest here.
aadsts-50027 = A signed proof has wrong or missing contents.
aadsts-50029 = A domain name holds characters that are not allowed.
aadsts-50033 = Passing trouble at Microsoft.
aadsts-50034 = The user name is mistyped, or your organisation does not have it.
aadsts-50042 = An internal value of the app's object is missing.
aadsts-50043 = An internal value of the app's object exists twice.
# Azure SDK troubleshooting; public code
aadsts-50048 = In our proof sub and iss differ; both need to be the client id.
# A public client library's test
aadsts-50049 = The sign-in service does not know the authority that was asked.
aadsts-50053 = Too many wrong attempts, or the network address is known for attacks.
aadsts-50055 = The password has expired.
aadsts-50056 = No password is stored for this account, or an empty one was sent.
aadsts-50057 = The account is disabled.
aadsts-50058 = No account was signed in, or Microsoft could not use the session.
aadsts-50059 = Nothing in the request says which organisation it is for.
aadsts-50064 = User name or password could not be verified.
aadsts-50072 = The account has to register a second step.
aadsts-50074 = The second step was required and not passed.
aadsts-50076 = A rule or a new location asks for the second step.
aadsts-50078 = The last second step is too old for the rules.
aadsts-50079 = The rules require a second step and none is registered.
aadsts-50086 = The second step could not be carried out.
aadsts-50087 = The second step had passing trouble.
aadsts-50088 = Too many phone calls or messages for second steps just now.
aadsts-50089 = The sign-in page was open for too long.
# Protocol reference §1.4 C
aadsts-50097 = The device has to identify itself.
aadsts-50099 = The device's proof does not verify.
aadsts-50105 = Only people assigned to the app may use it.
# MS support article error-aadsts50107-guest-redemption-fails
aadsts-50107 = The federation that was asked for is not set up.
aadsts-50125 = Microsoft interrupted to set up password reset.
aadsts-50126 = Wrong user name or password.
aadsts-50127 = The device needs Microsoft's sign-in app first.
aadsts-50128 = The domain does not lead to an organisation.
aadsts-50129 = The device has to be registered first.
# Reference of 2025-02
aadsts-50130 = Your organisation's sign-in service named a sign-in method that Microsoft does not know.
aadsts-50131 = A rule, the device's state or suspicious activity led to a block.
aadsts-50132 = The session ended after a password change or expiry.
aadsts-50133 = The session was revoked after a password change or expiry.
aadsts-50135 = The account is at risk, so the password has to change.
aadsts-50136 = The browser has one session only, of a personal account.
# Reference of 2025-02
aadsts-50137 = A security rule demands a new password.
aadsts-50139 = The session of a personal or external account is no longer complete.
aadsts-50140 = Microsoft asked whether to stay signed in.
# Reference of 2025-02
aadsts-50142 = A Conditional Access rule demands a new password.
aadsts-50143 = The session belongs to another organisation than the link's.
aadsts-50144 = The password in your organisation's own Active Directory has expired.
# Reference of 2025-02
aadsts-50150 = The approval step of the sign-in was not complete.
aadsts-50155 = The device could not identify itself for this user.
# Reference of 2025-02
aadsts-50157 = The browser had to be sent elsewhere first.
aadsts-50158 = A check outside Microsoft was required and not completed.
# Reference of 2025-02
aadsts-50159 = The external check sent too few details.
# Reference of 2025-02
aadsts-50160 = Another organisation was to be preferred.
aadsts-50161 = The external check's address or details could not be verified.
# Reference of 2025-02
aadsts-50166 = The external check could not be reached.
aadsts-50168 = The browser was asked for its Windows sign-in.
aadsts-50170 = The external check is not connected to a rule.
# Reference of 2025-02
aadsts-50171 = The audience works with certificates at the transport level only.
# Reference of 2025-02
aadsts-50172 = The provider of the external check is not approved.
aadsts-50173 = The sign-in was revoked, so the person has to sign in again.
# Reference of 2025-02
aadsts-50176 = The definition of the external check is missing.
aadsts-50177 = A check outside Microsoft does not work for external accounts.
aadsts-50178 = A session rule does not work for external accounts.
aadsts-50180 = Windows sign-in is required and did not happen.
aadsts-50187 = No device information arrived.
aadsts-50192 = Certificate sign-in was expected and no certificate arrived.
aadsts-50194 = The app is registered for one organisation only, and that is not yours.
aadsts-50196 = The same request came too often.
aadsts-50197 = Microsoft could not find one matching user; a new sign-in usually works.
aadsts-50199 = Microsoft asked to confirm the app.
aadsts-51000 = A function is switched off; Microsoft does not say which.
aadsts-51004 = The account does not exist in your organisation.
aadsts-51006 = The session lacks the Windows sign-in that is required.
aadsts-53000 = The rules require a compliant device.
aadsts-53001 = The rules require a device joined to your organisation.
aadsts-53002 = The browser or app is not on the approved list.
# Protocol reference §2.2 (400 invalid_grant)
aadsts-53003 = A Conditional Access rule blocks this.
aadsts-53004 = The account is at risk, so it may not register a second step now.
# Public code
aadsts-53005 = The rules require an app with protection policies.
# MS troubleshoot-conditional-access.md
aadsts-53009 = The rules require an app with Intune protection policies.
aadsts-53010 = A second step may be registered from certain places or devices only.
# Azure-docs#70743
aadsts-53011 = The account is blocked because of risk in its home organisation.
aadsts-54000 = The account is blocked because it belongs to a minor.
# Protocol reference §2.1
aadsts-65001 = Neither an administrator nor the person has approved the app for what it asks.
aadsts-65002 = An app of Microsoft's own cannot be approved this way.
# Protocol reference §2.1; protocol reference §1.4 A,E,F
aadsts-65004 = Cancel was pressed, or an approval request was sent and the person went back.
aadsts-65005 = The app asks for a service that its registration does not list, or that was not found.
# Public reports; public code
aadsts-65006 = A service does not offer the permission that the registration lists.
# MS support article error-code-AADSTS70001
aadsts-70001 = The app is switched off in your organisation, or everywhere.
aadsts-70002 = Our client secret does not match.
aadsts-70003 = The kind of request is not supported.
aadsts-70004 = The return address does not match any registered one.
aadsts-70005 = The app may not receive the kind of answer that the link asks for.
aadsts-70007 = The way in which the answer should return is not supported.
aadsts-70011 = The list of permissions is not valid.
aadsts-70012 = The sign-in of a personal account had trouble at Microsoft.
# Protocol reference §2.2; azure-workload-identity#616 (400 invalid_request), external-secrets#2783 (401 invalid_client)
aadsts-70021 = No federated credential matches our proof.
# Protocol reference §2.2; public code
aadsts-70025 = The app has no federated credential at all.
aadsts-80001 = Your organisation's password agent cannot reach its Active Directory.
aadsts-80002 = The password check in your organisation took too long.
aadsts-80005 = The answer of your organisation's password agent could not be processed.
aadsts-80007 = Your organisation's password agent could not check the password.
aadsts-80010 = Your organisation's password agent could not decrypt the password.
aadsts-80012 = The account may not sign in at this time of day.
aadsts-80013 = Clocks in your organisation's network differ too much.
aadsts-80014 = Your organisation's password agent answered too late.
aadsts-81004 = Windows single sign-on was refused.
aadsts-81005 = The browser offered a kind of Windows sign-in that is not supported.
aadsts-81006 = The browser sent no Windows sign-in.
aadsts-81007 = Windows single sign-on is not switched on for your organisation.
aadsts-81009 = The Windows ticket could not be read.
aadsts-81010 = The Windows ticket has expired or is not valid.
aadsts-81011 = No user fits the Windows ticket.
aadsts-81012 = The chosen account is not the one signed in to Windows.
# Protocol reference §2.2
aadsts-90002 = Microsoft does not find your organisation in this cloud.
aadsts-90004 = The request has the wrong form.
aadsts-90005 = Two parameters exclude each other.
aadsts-90006 = A part of Microsoft's service was not available.
aadsts-90007 = The session number in the address could not be read.
aadsts-90008 = The registration lacks even the permission to sign in and read the profile.
aadsts-90009 = The app asks for itself and does not use its id.
aadsts-90010 = The cryptographic method is not supported.
aadsts-90012 = Microsoft took too long.
aadsts-90013 = A value in the request is not valid.
aadsts-90014 = A required field is missing.
aadsts-90015 = The link is longer than Microsoft accepts.
aadsts-90016 = A signed proof lacks a required part.
aadsts-90019 = Your organisation cannot be worked out from the request.
aadsts-90023 = The request is not valid.
aadsts-90024 = Microsoft ran out of time for the request.
aadsts-90027 = Sign-in with a personal account over an interface that does not support it.
aadsts-90033 = Microsoft's directory was not available.
aadsts-90036 = Microsoft's directory had a problem that may last.
aadsts-90038 = Your organisation is in another Microsoft cloud.
aadsts-90051 = The request names a cloud that does not exist.
aadsts-90055 = Too many requests for this organisation just now.
aadsts-90056 = A page that programs use was opened in the browser.
aadsts-90072 = The external account does not exist in your organisation, so it cannot pass multi-factor authentication there.
aadsts-90085 = Your organisation's directory object was not ready yet.
# MS application-sign-in-unexpected-user-consent-error.md
aadsts-90090 = The approval could not be stored just then.
aadsts-90091 = Microsoft's directory could not be reached.
aadsts-90092 = Microsoft could not finish storing the approval.
# Protocol reference §2.1
aadsts-90093 = The directory refused to store the approval for this account.
aadsts-90094 = The permissions need an administrator's approval.
aadsts-90095 = The person was offered to ask an administrator for approval.
# Protocol reference §2.1
aadsts-90097 = Microsoft stopped while it processed the approval.
aadsts-90099 = A partner's administrator used an app that is not yet authorised in your organisation.
aadsts-90100 = A parameter is empty or not valid.
aadsts-90101 = What was typed is not a mail address.
aadsts-90102 = An address in the request is not a complete one.
# Reference of 2025-02; public code
aadsts-90112 = The client id is not a GUID.
aadsts-90117 = The request's content is not valid.
aadsts-90121 = The request is empty.
aadsts-90123 = The person's sign-in provider refused.
aadsts-90124 = The service is not supported at /common or /consumers.
aadsts-90130 = The app is not supported at /common or /consumers.
aadsts-100007 = A regional sign-in address was asked, which serves certain callers only.
aadsts-120000 = The old password was not right.
aadsts-120002 = The new password is too weak.
aadsts-120003 = The new password contains the user's name.
aadsts-120004 = Your organisation's own directory refused the new password.
aadsts-120005 = The password changed in your organisation's directory but not at Microsoft.
aadsts-120008 = The password change ended for good without success.
aadsts-120011 = Microsoft could not work out the user for the password change.
aadsts-120012 = The password needs to be changed in your organisation's own directory.
aadsts-120013 = Your organisation's own directory could not be reached.
aadsts-120014 = The account is locked or disabled in your organisation's own directory.
aadsts-120015 = An administrator of your organisation's own directory has to act.
aadsts-120016 = Password reset does not know the user.
aadsts-120018 = The new password is too close to a banned one.
aadsts-120020 = The password could not be changed.
aadsts-120021 = The password reset service had a problem.
aadsts-130004 = Microsoft has no such device key for the user.
aadsts-130005 = The signature of the device key does not verify.
aadsts-130006 = The device has no transport key.
aadsts-130007 = The device is disabled.
aadsts-130008 = The device of the key is not in the directory.
aadsts-135010 = The key that was used is not registered.
aadsts-135011 = The device that was used is disabled.
aadsts-160021 = The session asked for does not exist.
aadsts-165004 = Microsoft gives the meaning of this code only in its message.
aadsts-165900 = Microsoft's page sent a request that had become out of date.
aadsts-220450 = The browser inside the app is too old; use a current browser.
# MS support article error-code-aadsts220501
aadsts-220501 = Microsoft could not fetch the revocation list of your organisation's certificates.
aadsts-240002 = A person's sign-in cannot serve as our proof.
# Reference of 2025-02
aadsts-399284 = The issuer named by your organisation's sign-in service is missing or different.
# MS support article error-code-aadsts500011
aadsts-500011 = Microsoft does not find a service that the app needs in your organisation.
# Reference of 2025-02
aadsts-500014 = A service that the app needs is switched off in your organisation.
# Azure-docs#69022, #69732
aadsts-500021 = The network's proxy does not list this organisation.
# Azure-docs#94478
aadsts-500022 = The network's proxy does not list this organisation (second form).
# Protocol reference §2.1
aadsts-500113 = The app has no return address at all.
# Protocol reference §2.1
aadsts-500119 = Return addresses of the form urn: are not allowed.
# Public reports; apache/maven-site#1471, github/docs#27076; public code
aadsts-500200 = A personal Microsoft account was used where only work accounts are allowed.
# Azure-docs#37288 (captured callback); public code
aadsts-500201 = A personal Microsoft account met the older version of the sign-in service.
# Reference of 2025-02; public code
aadsts-500207 = This type of account, such as a customer's, cannot use the requested service.
# Public code
aadsts-500208 = The kind of account, for example personal, does not fit your organisation.
# Public code
aadsts-500212 = The account's own organisation does not let it sign in to yours.
# Public code
aadsts-500213 = Your organisation does not let accounts from that organisation in.
# MS support article error-code-aadsts500571-guest-user-account-is-disabled.md
aadsts-500571 = The guest account is disabled in your organisation.
# MS daemon-app quickstart (translated copies; public code
aadsts-501051 = The service accepts only apps with an assigned role, and the app has none in your organisation.
# MS support article error-code-aadsts530004-acceptcompliantdevice-setting-not-configured.md
aadsts-530004 = The rules want a compliant device, and those of external accounts are not trusted.
aadsts-530032 = A security policy of the whole organisation blocks this.
# Partner-Center-PowerShell#389
aadsts-530034 = Microsoft has blocked the partner account that was used, because of a risk in the partner's organisation.
aadsts-530035 = Security defaults rated this request as unsafe.
# Protocol reference §2.1; msgraph-sdk-raptor#158 for the second text
aadsts-650051 = Microsoft was still creating the app's object, or found it there already.
aadsts-650052 = The app needs a service that your organisation has not subscribed to or switched on.
# Protocol reference §2.1
aadsts-650053 = The request asks for a permission that the service does not have.
aadsts-650054 = The app asks for a service that was removed.
# MS support article error-code-AADSTS650056
aadsts-650056 = The registration is incomplete, or nothing is approved, or the request does not fit it.
aadsts-650057 = The service in the request is not in the registration's list of permissions.
# Reference of 2025-02; public code
aadsts-650059 = The app is registered for one organisation only, and that is not yours.
# MS support article error-code-aadsts700003-device-object-not-found.md
aadsts-700003 = The device was deleted from the directory of the person's own organisation.
aadsts-700011 = Microsoft does not find this app in your organisation yet.
# Protocol reference §2.2
aadsts-700016 = Microsoft does not know this app in your organisation: it is not approved there, or the link names a wrong app or cloud.
aadsts-700020 = The person has to do something on Microsoft's page.
# Azure SDK troubleshooting; public code
aadsts-700021 = The proof's sub or iss is not our client id.
aadsts-700022 = The list of permissions names more than one service.
# Azure SDK troubleshooting; public code
aadsts-700023 = Our proof does not fit the address that we asked, or our request names no service.
# Protocol reference §2.2; Microsoft.Identity.Web; public code
aadsts-700024 = Our proof is expired or not valid yet.
aadsts-700025 = The app is registered as public, so it may not send a credential.
# Symbol: Microsoft.Identity.Web; MS troubleshoot-revoked-credentials
aadsts-700027 = The key of our proof is not registered, or was revoked.
aadsts-700030 = The subject of our certificate is not on the allowed list.
aadsts-700054 = The app may not receive the kind of answer that the link asks for.
# Protocol reference §2.2
aadsts-700211 = The issuer of our proof matches no federated credential.
# Protocol reference §2.2
aadsts-700212 = The audience of our proof matches no federated credential.
# Protocol reference §2.2
aadsts-700213 = The subject of our proof matches no federated credential.
# Azure-docs#90276, azure-workload-identity#820
aadsts-700222 = Microsoft did not accept the kind of proof that we sent.
# MS Azure DevOps troubleshoot-workload-identity; owner by analogy with 700236
aadsts-700223 = Federated credentials are switched off by a policy.
# Azure-docs#109083
aadsts-700229 = Our proof was a person's, and Microsoft accepts only an app's own.
# Azure-workload-identity#1363
aadsts-700231 = Our proof came from another exchange of proofs, which Microsoft does not accept.
# Learn.microsoft.com/answers/questions/2139753 (text names the registering tenant)
aadsts-700236 = The organisation where the app is registered does not allow this kind of proof.
# MS Azure DevOps troubleshoot-workload-identity; owner by analogy with 7002381
aadsts-700238 = Federated credentials from this issuer are not allowed by a policy.
# Protocol reference §2.2
aadsts-900023 = The link names an organisation by neither an id nor a domain.
aadsts-900144 = A required parameter is missing.
aadsts-900382 = Apps with a credential cannot be used across clouds.
# Public code
aadsts-900384 = A signed proof did not verify; seen where the wrong cloud's address was used.
aadsts-900432 = Apps with a credential cannot be used across clouds (second form).
# Protocol reference §2.2; MS support article error-aadsts900439
aadsts-900439 = An app of the US Government cloud was used at the worldwide address.
# Protocol reference §1.8
aadsts-900561 = Microsoft's page was opened in a way it does not expect, such as by Back.
# Reference of 2025-02
aadsts-900612 = Keys published by an identity provider have the wrong form.
# Protocol reference §2.1
aadsts-900941 = Microsoft rates the app as risky, so only an administrator may approve it.
aadsts-900971 = The request gives no return address.
# Protocol reference §2.1
aadsts-900981 = Microsoft warned about the app while a request for approval was made.
# Protocol reference §2.1
aadsts-901001 = The value of prompt is not allowed at this address.
aadsts-901002 = The parameter resource is not supported at this address.
aadsts-1000000 = The account has to be linked with an outside one first.
aadsts-1000002 = Linking with an outside account is done.
aadsts-1000031 = Microsoft does not let the app be used in your organisation now.
aadsts-1000104 = The account's own organisation does not allow access to this cloud.
# Microsoft.Identity.Web; public code
aadsts-1000502 = Our certificate has expired or is not valid yet.
# Tok-16 of the upstream answers
aadsts-1002012 = Our request did not name one service followed by /.default.
# Public reports: captured callback 2023-02-08 in; public code
aadsts-1003031 = The registration's list of permissions is empty or malformed.
# Reference of 2025-02; CIPP reads it as deleted; public code
aadsts-5000224 = Microsoft has blocked this directory or taken it out of service.
# MS fundamentals 'Tenant inaccessible due to inactivity'; public code; azure-cli#32031, #33547
aadsts-5000225 = Microsoft has blocked the directory because it was not in use.
aadsts-5000819 = The mail address in the external answer is missing or of another domain.
# Reference of 2025-02
aadsts-5001256 = The external check sent a wrong proof.
# Zitadel/oidc#887
aadsts-5002741 = The client assertion names several audiences.
# MS support article error-code-aadsts7000110; public code
aadsts-7000110 = The request and its proof name different apps, or client_id is missing.
# MS support article error-code-aadsts7000112-application-is-disabled.md
aadsts-7000112 = The app is switched off in your organisation, or everywhere.
# Named in public reports
aadsts-7000114 = The app may not act on behalf of people.
# Microsoft.Identity.Web; public code; MS certificate sign-in page
aadsts-7000214 = Our certificate was revoked by its issuer.
aadsts-7000215 = Our client secret is wrong.
# Azure SDK / Microsoft.Identity.Web)
aadsts-7000216 = No credential was sent with our request.
# MS support article aadsts7000218
aadsts-7000218 = No credential was sent with our request.
aadsts-7000222 = Our client secret has expired.
# Protocol reference §2.2 (captured 401 invalid_client); entra-docs deprecate-spless-auth.md
aadsts-7000229 = Microsoft does not find this app in your organisation yet.
# Microsoft.Identity.Web; public code
aadsts-7000274 = Our certificate is out of its time, or the signature is wrong (sources differ).
# Microsoft.Identity.Web; public code
aadsts-7000277 = Our certificate was revoked.
# Protocol reference §2.2
aadsts-7002131 = The matching expression of the federated credential does not fit our proof.
# Public code
aadsts-7002381 = Our proof lacks a mark that the organisation of the app's registration requires.
# MS troubleshoot-revoked-credentials
aadsts-7005003 = Our client secret was revoked.
# MS troubleshoot-revoked-credentials
aadsts-7005004 = The key of our proof was revoked.
# MS troubleshoot-revoked-credentials
aadsts-7005005 = Our federated credential was revoked.
# MS troubleshoot-revoked-credentials
aadsts-7005006 = A revocation on the app stops our sign-in.
aadsts-9001023 = This kind of request is not allowed at /common or /consumers.
aadsts-9002313 = The request is malformed.
aadsts-9002332 = The app is for work accounts only and /consumers was used.

what-too-many-permissions = The app asks for more permissions than one approval can hold.
what-unknown = This code is not in our list, so we cannot say what it means.

next-nothing-about-approval = Open the link again; if it happens again, contact us.
next-unknown-account = Open the link in a private window and sign in with your organisation's administrator account.
next-other-session = Open the link again and choose your administrator account, best in a private window.
next-federation = Use an administrator account that signs in at Microsoft directly, or ask who manages your sign-in service.
next-scope = Nothing for you to do: we need to fix our settings.
next-sign-in-service-slow = Wait a few minutes and open the link again, or use an administrator account that signs in at Microsoft directly.
next-no-token = Wait a few minutes and open the link again; if it stays, contact us.
next-resource-missing = If your organisation should have the service, tell us; if not, the app's owner has to act.
next-network = Open the link from another network, or ask who runs your network to allow this organisation's sign-in.
next-device = Open the link on a device that your organisation manages, or ask who manages your sign-in rules.
next-return-address = Nothing for you to do: the return address has to be registered first.
next-assertion = Nothing for you to do: we need to fix this on our side.
next-guest-invitation = Sign in with an account of your own organisation, or accept your guest invitation first.
next-age = Use another administrator account: this one is under an age restriction.
next-certificate-sign-in = Use another way to sign in, or ask who manages certificates in your organisation.
next-transient = Wait a few minutes, then open the link again.
next-authority = Nothing for you to do: we need to fix our settings.
next-locked-out = Wait a while and open the link again, or use another administrator account.
next-password-expired = Set a new password, then open the link again.
next-password = Open the link again and check the user name and password.
next-account-disabled = Open the link with another administrator account, or have this account enabled.
next-no-session = Open the link again and sign in with an administrator account when Microsoft asks.
next-no-tenant = Nothing for you to do: we need to send a new link.
next-second-step-not-set-up = Set up a second sign-in step at aka.ms/mfasetup, then open the link again.
next-second-step = Open the link again and complete the second sign-in step, for example in your authenticator app.
next-mfa-service = Wait a few minutes and open the link again, or choose another second sign-in step.
next-interrupted = Open the link again and follow Microsoft's page to the end.
next-assignment = Assign this account to the app under Enterprise apps, then open the link again.
next-browser = Open the link in a browser that your organisation approves, such as Microsoft Edge.
next-conditional-access = Ask who manages your sign-in rules to allow this, then open the link again.
next-session-ended = Open the link again and sign in once more.
next-new-password = Change the password when Microsoft asks, then open the link again.
next-personal-account = Open the link in a private window and sign in with your work account, not a personal Microsoft account.
next-extra-check = Open the link again and complete the extra check, such as terms of use.
next-extra-check-broken = Ask who manages your extra sign-in check; until it works, use an administrator account without it.
next-extra-check-unreachable = Wait a few minutes and open the link again; if it stays, ask who manages your extra sign-in check.
next-unusual-request = Nothing for you to do: we need to fix our request.
next-guest-not-trusted = Sign in with an account of this organisation, or ask its administrator about settings for external users.
next-windows-sign-in = Sign in with user name and password instead, best in a private window.
next-client-certificate = Open the link again and choose your certificate when the browser asks, or use another way to sign in.
next-single-tenant = Nothing for you to do: the app's owner needs to open the app to other organisations.
next-loop = Wait a few minutes, then check again.
next-account-risk = Ask your security team to clear the account's risk, or use another administrator account.
next-second-step-place = Register the second sign-in step from a place or device that your organisation trusts, then open the link again.
next-no-approval = If you just approved the app, wait a minute and check again; if not, open the link and approve it.
next-microsoft-app = Nothing for you to do: we need to use another app.
next-declined = If you meant to approve, open the link again and choose Accept; if you sent a request, wait for the reviewer.
next-permission-list = Nothing for you to do: the app's owner needs to fix the app's list of permissions.
next-unpublished-permission = Nothing for you to do: the app's owner needs to fix the app's list of permissions.
next-app-disabled = Under Enterprise apps, open the app and see why sign-in is switched off; switch it on only if you agree.
next-secret = Nothing for you to do: we need to fix this on our side.
next-request = Nothing for you to do: we need to fix our request.
next-response-type = Nothing for you to do: the app's owner needs to fix the app's sign-in settings.
next-federated-credential = Nothing for you to do: we need to fix this on our side.
next-sign-in-hours = Open the link within the hours in which this account may sign in, or use another administrator account.
next-windows-account = Open the link in a private window and sign in with the administrator account you mean to use.
next-tenant-not-found = Nothing for you to do: we need to send a new link.
next-link-too-long = Nothing for you to do: we need to send a shorter link.
next-signed-proof = Contact us: we need to look at this ourselves.
next-other-cloud = Nothing for you to do: we need to send a link for your Microsoft cloud.
next-cloud = Nothing for you to do: we need to fix the cloud in our settings.
next-throttled = Wait a few minutes, then open the link again.
next-dead-end = Open the link again; if the approval is already there, we will show it.
next-external-account = Sign in with an account of your own organisation, or have this one added as a guest.
next-not-stored = Wait a few minutes, then open the link again.
next-not-processed = Open the link again with a Global Administrator account; if it happens again, contact us.
next-role-too-low = Open the link with a Privileged Role Administrator or Global Administrator account.
next-admin-required = Open the link with an administrator account, or pass it on to your administrator.
next-request-workflow = Ask an administrator to approve the request in the Entra admin centre, or to open this link.
next-partner-centre = Nothing for you to do yet: we need to authorise the app with Microsoft first.
next-regional = Nothing for you to do: we need to fix our settings.
next-password-change = Finish changing the password at Microsoft, then open the link again.
next-password-change-help = Ask your help desk to reset the password, or use another administrator account.
next-device-key = Choose another way to sign in on Microsoft's page, for example your password or your phone.
next-device-removed = Use another device, or ask your help desk to register or enable this one.
next-resource-disabled = Check whether the subscription has lapsed, or switch the service on under Enterprise apps.
next-no-return-address = Nothing for you to do: we check whether your approval has arrived.
next-account-kind = Sign in with a work account of your organisation; external and customer accounts cannot be used here.
next-cross-tenant = Sign in with an account of the organisation that the link is for, not an account from outside.
next-no-role = Open the link and approve the app: it has no permission yet for the service it needs.
next-security-policy = Ask who manages your organisation's security settings, then open the link again.
next-partner-risk = Sign in with an account of this organisation: the partner account that was used is blocked for risk.
next-still-adding = Wait a minute and check again; open the link once more only if the approval is still missing.
# Microsoftgraph/msgraph-sdk-raptor#158: "Value length ... is out of the valid range ... for property 'DelegationScope'"
next-too-many-permissions = Nothing for you to do: we need to shorten the app's list of permissions.
next-not-subscribed = Check your licence for the service; if you have one, an administrator can add it with New-MgServicePrincipal -AppId and the service's id.
next-no-such-permission = Nothing for you to do: the permissions in the link need to be fixed.
next-registration-incomplete = Open the link again; if the same code comes back, contact us.
next-no-service-principal = If you just approved the app, wait a minute and check again; if not, open the link and approve it.
next-no-client = If you just approved the app, wait a minute; if Microsoft's own page showed this code, contact us.
next-assertion-app = Nothing for you to do: we need to fix this on our side.
next-assertion-time = Nothing for you to do: we need to fix this on our side.
next-public-client = Nothing for you to do: we need to fix this on our side.
next-entra-token = Nothing for you to do: we need to fix this on our side.
next-federation-policy-likely = Nothing for you to do: we need to fix this on our side.
next-federation-policy = Nothing for you to do: we need to fix this on our side.
next-issuer-keys = Contact us: we need to look at this ourselves.
next-risky-app = Ask an administrator to review the app and its publisher, and then to approve it.
next-parameter = Nothing for you to do: we need to send a new link.
next-app-unavailable = Check the app under Enterprise apps, then open the link again.
next-empty-permission-list = Nothing for you to do: the app's owner needs to fix the app's list of permissions.
next-blocked-for-abuse = Contact Microsoft support: only Microsoft can restore access to your organisation's directory.
next-blocked-for-inactivity = Ask Microsoft support to reactivate your directory: 20 days after the block it is deleted.
next-on-behalf-of = Contact us: we need to look at this ourselves.
next-secret-ended = Nothing for you to do: we need to renew our credential.
next-federation-revoked = Nothing for you to do: we need to fix this on our side.
next-audiences = Nothing for you to do: we need to fix our settings.
next-unknown = Open the link again; if it happens again, contact us.
