use super::*;

const ID: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

fn read(table: &str) -> Vec<CustomerRow> {
    Customers::read(table.as_bytes(), "tenants.csv", &Reading::default()).unwrap().map(Result::unwrap).collect()
}

fn refused(table: impl AsRef<[u8]>) -> String {
    Customers::read(table.as_ref(), "tenants.csv", &Reading::default()).err().unwrap().to_string()
}

fn tenants(rows: &[CustomerRow]) -> Vec<(u64, String)> {
    rows.iter().map(|row| (row.number, row.customer.as_ref().map_or_else(String::clone, |it| it.tenant.to_string()))).collect()
}

#[test]
fn columns_are_found_by_name_in_any_order_and_others_are_kept() {
    let table = format!("Notes, LABEL ,Tenant,Contact,language,reference\nx,Contoso GmbH,{ID},a@b.example,de-AT,T-1\n");
    let mut customers = Customers::read(table.as_bytes(), "t", &Reading::default()).unwrap();
    assert_eq!(customers.columns().names().collect::<Vec<_>>(), ["Notes", "LABEL", "Tenant", "Contact", "language", "reference"]);
    assert_eq!((customers.columns().position("notes"), customers.columns().position("link")), (Some(0), None));
    let row = customers.next().unwrap().unwrap();
    let customer = row.customer.unwrap();
    assert_eq!(customer.tenant.to_string(), ID);
    assert_eq!(customer.label.unwrap().as_str(), "Contoso GmbH");
    assert_eq!(customer.reference.unwrap().as_str(), "T-1");
    assert_eq!((customer.contact.as_deref(), customer.language.as_deref()), (Some("a@b.example"), Some("de-AT")));
    assert_eq!(row.cells.iter().collect::<Vec<_>>(), ["x", "Contoso GmbH", ID, "a@b.example", "de-AT", "T-1"]);
    assert!(customers.next().is_none());
}

#[test]
fn the_delimiter_is_the_one_that_cuts_out_the_tenant() {
    for (table, delimiter, names) in [
        ("tenant,label\n", b',', vec!["tenant", "label"]),
        ("tenant;label\n", b';', vec!["tenant", "label"]),
        ("tenant\tlabel\n", b'\t', vec!["tenant", "label"]),
        ("Tenant;Notes, internal, external, other\n", b';', vec!["Tenant", "Notes, internal, external, other"]),
        ("\"tenant\";\"a,b,c,d\"\n", b';', vec!["tenant", "a,b,c,d"]),
        ("tenant\n", b',', vec!["tenant"]),
        ("sep=;\ntenant;a,b\n", b';', vec!["tenant", "a,b"]),
        ("SEP=\t\ntenant\ta,b\n", b'\t', vec!["tenant", "a,b"]),
        ("tenant;label;;\n", b';', vec!["tenant", "label"]),
        ("\n\ntenant;label", b';', vec!["tenant", "label"]),
    ] {
        let customers = Customers::read(table.as_bytes(), "t", &Reading::default()).unwrap();
        assert_eq!(customers.delimiter(), delimiter, "{table:?}");
        assert_eq!(customers.columns().names().collect::<Vec<_>>(), names, "{table:?}");
    }
}

#[test]
fn rows_are_counted_as_a_spreadsheet_counts_them() {
    let table =
        "tenant;note\r\n\r\na.example;\"two\r\nlines\"\r\n ; \r\n;;;\r\nb.example;\"say \"\"hi\"\"; now\"\r\n\r\nMÜNCHEN.example.;x";
    let rows = read(table);
    assert_eq!(tenants(&rows), [(3, "a.example".to_owned()), (6, "b.example".to_owned()), (8, "xn--mnchen-3ya.example".to_owned())]);
    assert_eq!(&rows[0].cells[1], "two\nlines");
    assert_eq!(&rows[1].cells[1], "say \"hi\"; now");
    assert_eq!(&rows[2].cells[0], "MÜNCHEN.example.");
    // Excel does not show the line that declares the delimiter.
    assert_eq!(tenants(&read("sep=;\r\ntenant;x\r\na.example;1\r\n")), [(2, "a.example".to_owned())]);
}

#[test]
fn a_wrong_row_is_told_with_its_columns_and_the_next_ones_are_read() {
    let long = "x".repeat(70_000);
    let table = format!(
        "tenant,label,reference\n\
         anna@contoso.com,anna@contoso.com,{}\n\
         ,Contoso,\n\
         common,,\n\
         {ID},\"two\nlines\",\n\
         {ID},Contoso, Inc.,T-1\n\
         {ID},{long},\n\
         {ID}\n\
         {ID},{}\n",
        "r".repeat(65),
        ",".repeat(2_000),
    );
    let rows = read(&table);
    let text = |row: &CustomerRow| row.customer.as_ref().map_or_else(|error| format!("row {}: {error}", row.number), |_| "good".to_owned());
    let told: Vec<String> = rows.iter().map(text).collect();
    for (told, words) in told.iter().zip([
        vec![
            "row 2: column tenant: ",
            "only what follows the '@'",
            "column label: ",
            "into the column contact",
            "column reference: ",
            "shorten",
        ],
        vec!["row 3: column tenant: it is empty"],
        vec!["row 4: column tenant: it names many tenants"],
        vec!["row 5: column label: ", "on one line"],
        vec!["row 6: it has 4 cells and the header 3", "in quotes"],
        vec!["row 7: it is longer than 65536 bytes"],
        vec!["good"],
        vec!["row 9: it is longer than"],
    ]) {
        assert!(words.iter().all(|words| told.contains(words)), "{told}: {words:?}");
    }
    assert_eq!(told.len(), 8);
    assert!(rows.iter().all(|row| row.cells.len() == 3), "one cell for each column");
    assert!(!told.concat().contains("anna"), "the answer repeats nothing of the cell");
}

#[test]
fn a_row_that_is_too_long_ends_where_its_quotes_say() {
    let long = "x".repeat(70_000);
    for cell in [long.clone(), format!("\"{long}\nnext line\""), format!("\"{long}\"\"\n\"\"\""), format!("5\" pipe,\"{long}")] {
        let rows = read(&format!("tenant,note\r\na.example,{cell}\r\n\r\nb.example,y\r\n"));
        let (long, after) = (&rows[0], rows.last().unwrap());
        assert!(long.number == 2 && long.customer.as_ref().unwrap_err().starts_with("it is longer than 65536 bytes"));
        assert_eq!(tenants(std::slice::from_ref(after))[0].1, "b.example");
    }
}

#[test]
fn a_quote_that_is_never_closed_is_told_where_it_is_opened() {
    for filler in ["b.example\n".repeat(3), "b.example\n".repeat(20_000)] {
        let rows = read(&format!("tenant,note\na.example,fine\nc.example,\"open\n{filler}"));
        assert_eq!((rows.len(), rows[1].number), (2, 3));
        let error = rows[1].customer.as_ref().unwrap_err();
        assert!(error.contains("close it"), "{error}");
    }
    assert_eq!(tenants(&read("tenant,note\na.example,\"closed\"")), [(2, "a.example".to_owned())]);
}

#[test]
fn letters_of_an_old_encoding_are_told_and_utf_16_is_read() {
    let mut table = b"tenant;label\na.example;M".to_vec();
    table.extend_from_slice(b"\xfcller\nb.example;x\n");
    let rows: Vec<CustomerRow> = Customers::read(table.as_slice(), "t", &Reading::default()).unwrap().map(Result::unwrap).collect();
    assert!(rows[0].customer.as_ref().unwrap_err().contains("CSV UTF-8"));
    assert_eq!(&rows[0].cells[1], "M\u{fffd}ller");
    assert!(rows[1].customer.is_ok());

    let text = "\u{feff}tenant\tlabel\r\nmünchen.example\tMüller\r\n";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut customers = Customers::read(utf16.as_slice(), "t", &Reading::default()).unwrap();
    assert_eq!(customers.delimiter(), b'\t');
    assert_eq!(customers.next().unwrap().unwrap().customer.unwrap().label.unwrap().as_str(), "Müller");
}

#[test]
fn a_table_without_a_usable_header_is_refused_with_the_remedy() {
    let names = "tenant, label, reference, contact, language";
    for (table, words) in [
        (&b""[..], vec!["tenants.csv: there is nothing in it", names]),
        (b"\xef\xbb\xbf\r\n\r\n", vec!["there is nothing in it"]),
        (b"Kunde;Domain\nx;a.example\n", vec!["no column is called `tenant`", names, "It has: `Kunde`, `Domain`"]),
        (b"a.example,Contoso\n", vec!["no column is called `tenant`", "looks like a customer: put a row"]),
        (b"tenant,Label,label\n", vec!["two columns are called `label`"]),
        (b"tenant,M\xfcller\n", vec!["not UTF-8", "CSV UTF-8"]),
        (b"PK\x03\x04\x14\x00\x06\x00", vec!["this is no text", "Save as"]),
        (b"t\0e\0n\0a\0n\0t\0\n\0", vec!["this is no text"]),
        (b"tenant,\"label\n", vec!["a quote that is never closed"]),
    ] {
        let told = refused(table);
        assert!(words.iter().all(|words| told.contains(words)), "{told}");
    }
}

#[test]
fn the_end_of_a_whole_row_is_known_to_the_byte() {
    let table = "tenant,note\na.example,\"x\ny\"\nb.example,z\nc.ex";
    let rows = read(table);
    let ends: Vec<u64> = rows.iter().map(|row| row.ends_at).collect();
    assert_eq!(ends[..2], [28, 40]);
    assert!(table[..40].ends_with("z\n"));
}
