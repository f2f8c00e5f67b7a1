//! The resources of every sandbox tenant: Microsoft Graph and Office 365 Exchange Online, with some of their permissions.
//!
//! Ids, names and display names are from merill/microsoft-info (`GraphAppRoles.csv`, `GraphDelegateRoles.csv`, 2026-08-20) and from a
//! public listing of Exchange Online's service principal (protocol reference §8). A scenario can add other resources.

use super::ids::{PermissionId, ResourceId};

use super::scenario::{Permission, ResourceApp};

type CatalogueRow = (u128, &'static str, &'static str);

pub(super) fn built_in() -> [ResourceApp; 2] {
    [
        ResourceApp {
            app_id: ResourceId::GRAPH,
            name: "Microsoft Graph".into(),
            identifiers: vec!["https://graph.microsoft.com".into()],
            roles: permissions(GRAPH_ROLES),
            scopes: permissions(GRAPH_SCOPES),
        },
        ResourceApp {
            app_id: ResourceId::EXCHANGE_ONLINE,
            name: "Office 365 Exchange Online".into(),
            identifiers: vec!["https://outlook.office365.com".into(), "https://outlook.office.com".into()],
            roles: permissions(EXCHANGE_ROLES),
            scopes: permissions(EXCHANGE_SCOPES),
        },
    ]
}

fn permissions(rows: &[CatalogueRow]) -> Vec<Permission> {
    rows.iter().map(|&(id, value, name)| Permission { id: PermissionId::from_u128(id), value: value.into(), name: name.into() }).collect()
}

#[rustfmt::skip]
const GRAPH_ROLES: &[CatalogueRow] = &[
    (0x9a5d_68dd_52b0_4cc2_bd40_abcf_44ac_3a30, "Application.Read.All", "Read all applications"),
    (0x1bfe_fb4e_e0b5_418b_a88f_73c4_6d2c_c8e9, "Application.ReadWrite.All", "Read and write all applications"),
    (0x18a4_783c_866b_4cc7_a460_3d5e_5662_c884, "Application.ReadWrite.OwnedBy", "Manage apps that this app creates or owns"),
    (0x06b7_08a9_e830_4db3_a914_8e69_da51_d44f, "AppRoleAssignment.ReadWrite.All", "Manage app permission grants and app role assignments"),
    (0xb0af_ded3_3588_46d8_8b3d_9842_eff7_78da, "AuditLog.Read.All", "Read all audit log data"),
    (0x798e_e544_9d2d_430c_a058_570e_29e3_4338, "Calendars.Read", "Read calendars in all mailboxes"),
    (0x8ba4_a692_bc31_4128_9094_4758_72af_8a53, "Calendars.ReadBasic.All", "Read basic details of calendars in all mailboxes"),
    (0xef54_d2bf_783f_4e0f_bca1_3210_c044_4d99, "Calendars.ReadWrite", "Read and write calendars in all mailboxes"),
    (0x1260_ad83_98fb_4785_abbb_d6cc_1806_fd41, "ConsentRequest.Read.All", "Read all consent requests"),
    (0x9f1b_81a7_0223_4428_bfa4_0bcb_5535_f27d, "ConsentRequest.ReadWrite.All", "Read and write all consent requests"),
    (0x089f_e4d0_434a_44c5_8827_41ba_8a0b_17f5, "Contacts.Read", "Read contacts in all mailboxes"),
    (0x6918_b873_d17a_4dc1_b314_35f5_2813_4491, "Contacts.ReadWrite", "Read and write contacts in all mailboxes"),
    (0xcac8_8765_0581_4025_9725_5ebc_13f7_29ee, "CrossTenantInformation.ReadBasic.All", "Read cross-tenant basic information"),
    (0xf6e9_e124_4586_492f_adc0_c6f9_6e48_23fd, "DelegatedAdminRelationship.Read.All", "Read Delegated Admin relationships with customers"),
    (0x81b4_724a_58aa_41c1_8a55_84ef_9746_6587, "DelegatedPermissionGrant.Read.All", "Read all delegated permission grants"),
    (0x8e8e_4742_1d95_4f68_9d56_6ee7_5648_c72a, "DelegatedPermissionGrant.ReadWrite.All", "Manage all delegated permission grants"),
    (0x7ab1_d382_f21e_4acd_a863_ba3e_13f7_da61, "Directory.Read.All", "Read directory data"),
    (0x19db_c75e_c2e2_444c_a770_ec69_d855_9fc7, "Directory.ReadWrite.All", "Read and write directory data"),
    (0xdbb9_058a_0e50_45d7_ae91_6690_9b5d_4664, "Domain.Read.All", "Read domains"),
    (0x5b56_7255_7703_4780_807c_7be8_301a_e99b, "Group.Read.All", "Read all groups"),
    (0x810c_84a8_4a9e_49e6_bf7d_12d1_83f4_0d01, "Mail.Read", "Read mail in all mailboxes"),
    (0xe2a3_a72e_5f79_4c64_b1b1_878b_6747_86c9, "Mail.ReadWrite", "Read and write mail in all mailboxes"),
    (0xb633_e1c5_b582_4048_a93e_9f11_b44c_7e96, "Mail.Send", "Send mail as any user"),
    (0x40f9_7065_369a_49f4_947c_6a25_5697_ae91, "MailboxSettings.Read", "Read all user mailbox settings"),
    (0x6931_bccd_447a_43d1_b442_00a1_9547_4933, "MailboxSettings.ReadWrite", "Read and write all user mailbox settings"),
    (0x4984_76ce_e0fe_48b0_b801_37ba_7e26_85c6, "Organization.Read.All", "Read organization information"),
    (0x292d_869f_3427_49a8_9dab_8c70_152b_74e9, "Organization.ReadWrite.All", "Read and write organization information"),
    (0x246d_d0d5_5bd0_4def_940b_0421_030a_5b68, "Policy.Read.All", "Read your organization's policies"),
    (0x9e64_0839_a198_48fb_8b9a_013f_d6f6_cbcd, "Policy.Read.PermissionGrant", "Read consent and permission grant policies"),
    (0x999f_8c63_0a38_4f1b_91fd_ed19_47bd_d1a9, "Policy.ReadWrite.ConsentRequest", "Read and write your organization's consent request policy"),
    (0x9e3f_62cf_ca93_4989_b6ce_bf83_c28f_9fe8, "RoleManagement.ReadWrite.Directory", "Read and write all directory RBAC settings"),
    (0x332a_536c_c7ef_4017_ab91_3369_7092_4f0d, "Sites.Read.All", "Read items in all site collections"),
    (0xdf02_1288_bdef_4463_88db_98f2_2de8_9214, "User.Read.All", "Read all users' full profiles"),
];

#[rustfmt::skip]
const GRAPH_SCOPES: &[CatalogueRow] = &[
    (0x465a_38f9_76ea_45b9_9f34_9e8b_0d4b_0b42, "Calendars.Read", "Read user calendars"),
    (0x1ec2_39c2_d7c9_4623_a91a_a977_5856_bb36, "Calendars.ReadWrite", "Have full access to user calendars"),
    (0xff74_d97f_43af_4b68_9f2a_b77e_e696_8c5d, "Contacts.Read", "Read user contacts"),
    (0xd566_82ec_c09e_4743_aaf4_1a3a_ac4c_aa21, "Contacts.ReadWrite", "Have full access to user contacts"),
    (0x06da_0dbc_49e2_44d2_8312_53f1_66ab_848a, "Directory.Read.All", "Read directory data"),
    (0xff91_d191_45a0_43fd_b837_bd68_2c4a_0b0f, "EAS.AccessAsUser.All", "Access mailboxes via Exchange ActiveSync"),
    (0x64a6_cdd6_aab1_4aaf_94b8_3cc8_405e_90d0, "email", "View users' email address"),
    (0x9769_c687_087d_48ac_9cb3_c37d_de65_2038, "EWS.AccessAsUser.All", "Access mailboxes as the signed-in user via Exchange Web Services"),
    (0xdf85_f4d6_205c_4ac5_a5ea_6bf4_08db_a283, "Files.Read.All", "Read all files that user can access"),
    (0x6523_90e4_393a_48de_9484_05f9_b121_2954, "IMAP.AccessAsUser.All", "Read and write access to mailboxes via IMAP."),
    (0x5702_82fd_fa5c_430d_a7fd_fc8d_c98a_9dca, "Mail.Read", "Read user mail"),
    (0x024d_486e_b451_40bb_833d_3e66_d98c_5c73, "Mail.ReadWrite", "Read and write access to user mail"),
    (0xe383_f46e_2787_4529_855e_0e47_9a3f_fac0, "Mail.Send", "Send mail as a user"),
    (0x87f4_47af_9fa4_4c32_9dfa_4a57_a73d_18ce, "MailboxSettings.Read", "Read user mailbox settings"),
    (0x818c_620a_27a9_40bd_a6a5_d96f_7d61_0b4b, "MailboxSettings.ReadWrite", "Read and write user mailbox settings"),
    (0x7427_e0e9_2fba_42fe_b0c0_848c_9e6a_8182, "offline_access", "Maintain access to data you have given it access to"),
    (0x37f7_f235_527c_4136_accd_4a02_d197_296e, "openid", "Sign users in"),
    (0xd7b7_f2d9_0f45_4ea1_9d42_e508_10c0_6991, "POP.AccessAsUser.All", "Read and write access to mailboxes via POP."),
    (0x14da_d69e_099b_42c9_810b_d002_981f_eec1, "profile", "View users' basic profile"),
    (0x205e_70e5_aba6_4c52_a976_6d2d_46c4_8043, "Sites.Read.All", "Read items in all site collections"),
    (0x258f_6531_6087_4cc4_bb90_092c_5fb3_ed3f, "SMTP.Send", "Send emails from mailboxes using SMTP AUTH."),
    (0xe1fe_6dd8_ba31_4d61_89e7_8863_9da4_683d, "User.Read", "Sign in and read user profile"),
];

#[rustfmt::skip]
const EXCHANGE_ROLES: &[CatalogueRow] = &[
    (0x798e_e544_9d2d_430c_a058_570e_29e3_4338, "Calendars.Read", "Read calendars in all mailboxes"),
    (0x2dfd_c6dc_2fa7_4a2c_a922_dbd4_f85d_17be, "Calendars.Read.All", "Read calendars in all mailboxes"),
    (0xef54_d2bf_783f_4e0f_bca1_3210_c044_4d99, "Calendars.ReadWrite.All", "Read and write calendars in all mailboxes"),
    (0x089f_e4d0_434a_44c5_8827_41ba_8a0b_17f5, "Contacts.Read", "Read contacts in all mailboxes"),
    (0x6918_b873_d17a_4dc1_b314_35f5_2813_4491, "Contacts.ReadWrite", "Read and write contacts in all mailboxes"),
    (0xdc50_a0fb_09a3_484d_be87_e023_b12c_6440, "Exchange.ManageAsApp", "Manage Exchange As Application"),
    (0xdc89_0d15_9560_4a4c_9b7f_a736_ec74_ec40, "full_access_as_app", "Use Exchange Web Services with full access to all mailboxes"),
    (0x5e5a_ddcd_3e8d_4e90_baf5_964e_fab2_b20a, "IMAP.AccessAsApp", "IMAP.AccessAsApp"),
    (0x810c_84a8_4a9e_49e6_bf7d_12d1_83f4_0d01, "Mail.Read", "Read mail in all mailboxes"),
    (0xe2a3_a72e_5f79_4c64_b1b1_878b_6747_86c9, "Mail.ReadWrite", "Read and write mail in all mailboxes"),
    (0xb633_e1c5_b582_4048_a93e_9f11_b44c_7e96, "Mail.Send", "Send mail as any user"),
    (0xf726_4778_fba9_422d_8e9e_2675_a2c4_b513, "Mailbox.Migration", "Move mailboxes between organizations"),
    (0xd45f_a9f8_36e5_4cd2_b601_b063_c7cf_9ac2, "MailboxSettings.Read", "Read all user mailbox settings"),
    (0xf915_6939_25cd_4ba8_abfe_7fab_cf00_3749, "MailboxSettings.ReadWrite", "Read and write all user mailbox settings"),
    (0x4830_e04b_48ac_4de5_bbd9_8ace_b58e_506b, "Place.Read.All", "Read all company places"),
    (0xcb84_2b43_da6e_4506_86fe_bb12_199c_656d, "POP.AccessAsApp", "POP.AccessAsApp"),
    (0xb4d5_a5c7_c085_487f_b922_ef0d_6ebd_e6b1, "ReportingWebService.Read.All", "ReportingWebService.Read.All"),
    (0x7146_a1f0_8703_45b3_9eae_527a_64c0_0995, "SMTP.SendAsApp", "SMTP.SendAsApp"),
    (0xc1b0_de0a_1de9_455d_919f_eca4_5105_3141, "Tasks.Read", "Read user tasks in all mailboxes"),
    (0x2c6a_42ca_0d4d_49ad_bc0e_2122_2c44_9a65, "Tasks.ReadWrite", "Read and write tasks in all mailboxes"),
    (0xbf24_470f_10c1_436d_8d53_7b99_7eb4_73be, "User.Read.All", "Read all users' full profiles"),
    (0x77e6_5b5a_ceae_48b3_9490_50a8_6a03_8a48, "User.ReadBasic.All", "Read all users' basic profiles"),
];

#[rustfmt::skip]
const EXCHANGE_SCOPES: &[CatalogueRow] = &[
    (0x765f_423e_b55d_412e_97e3_13a8_00c3_a537, "Calendars.ReadWrite", "Read and write user calendars"),
    (0x3225_3599_e142_4cf0_810d_4827_eedd_1cfa, "Contacts.ReadWrite", "Read and write user contacts"),
    (0x266d_2589_20b5_4f91_9a03_8924_7d1b_e8da, "EAS.AccessAsUser.All", "Access mailboxes via Exchange ActiveSync"),
    (0x3b5f_3d61_589b_4a3c_a359_5dd4_b5ee_5bd5, "EWS.AccessAsUser.All", "Access mailboxes as the signed-in user via Exchange Web Services"),
    (0xab4f_2b77_0b06_4fc1_a9de_0211_3fc2_ab7c, "Exchange.Manage", "Manage Exchange configuration"),
    (0x195a_dc35_e27b_454b_a7ed_1ecd_ffa1_c09f, "IMAP.AccessAsUser.All", "Read and write access to your mail via IMAP"),
    (0x1857_58ba_798d_4b72_9e54_429a_413a_2510, "Mail.Read", "Read user mail"),
    (0x7576_7999_c7a8_481e_a6b4_1945_8e0b_30a5, "Mail.ReadWrite", "Read and write user mail"),
    (0x5eb4_3c10_865a_4259_960a_8394_6678_f8dd, "Mail.Send", "Send mail as a user"),
    (0x2e83_d72d_8895_4b66_9eea_abb4_3449_ab8b, "MailboxSettings.ReadWrite", "Read and write user mailbox settings"),
    (0xfb69_8133_92fa_453e_a9ed_688e_10f2_e5ac, "POP.AccessAsUser.All", "Read and write access to your mail via POP"),
    (0x76fa_ac2a_0f20_42f1_928a_50de_5b9d_be52, "SMTP.Send", "Access to sending emails from your mailbox using SMTP AUTH"),
    (0x6223_a6d3_53ef_4f8f_982a_895b_3948_3c61, "User.Read", "Read user profiles"),
];
