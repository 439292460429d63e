# Files DMARC and SMTP TLS reports into the folder Reports, which
# email-report-processor watches. Everything else goes its usual way.
require ["envelope", "fileinto", "mailbox", "subaddress"];

# By address: dmarc-reports@…, dmarc-reports+anything@… and anyone+dmarc-reports@….
# The envelope says where the mail was really sent to; the headers help where a
# mail server on the way has rewritten it.
if anyof (
    envelope :user "to" ["dmarc-reports", "tls-reports"],
    envelope :detail "to" ["dmarc-reports", "tls-reports"],
    address :user ["to", "cc", "x-original-to", "delivered-to"] ["dmarc-reports", "tls-reports"],
    address :detail ["to", "cc", "x-original-to", "delivered-to"] ["dmarc-reports", "tls-reports"],

    # By form, for reports to an address of another name. Anybody can write such a
    # mail; delete this part if mail that only looks like a report must stay in INBOX.
    # SMTP TLS: RFC 8460, section 5.3
    header :matches "content-type" "multipart/report;*report-type=*tlsrpt*",
    exists ["tls-report-domain", "tls-report-submitter"],
    # DMARC: "Report Domain: example.org Submitter: …", RFC 7489, section 7.2.1.1
    header :matches "subject" "report domain:*"
) {
    fileinto :create "Reports";
    stop;
}
