// Every bound of the program in one place. A bound is there so that a broken or hostile peer, file
// or client costs a refusal with a reason, never the memory or the time of everybody else. Each
// line says why it is what it is; settings (config.h) are for what depends on the installation
// instead.
#pragma once

#include <chrono>
#include <cstddef>

namespace keelwatch::limits {

using namespace std::chrono_literals;

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;

// Files of our user.
inline constexpr std::size_t kConfigBytes = 1 * kMiB;    // a hundred clusters by hand take 100 KiB
inline constexpr std::size_t kRuleFileBytes = 4 * kMiB;  // all of kube-prometheus' rules take 1 MiB
inline constexpr std::size_t kKubeconfigBytes =
    1 * kMiB;  // with embedded certificates of many contexts
inline constexpr std::size_t kSecretFileBytes = 64 * kKiB;  // passwords, tokens, keys
inline constexpr std::size_t kCaFileBytes = 4 * kMiB;       // a system bundle takes 220 KiB
inline constexpr auto kFilePollInterval =
    5s;  // kubelet itself takes up to a minute to swap a mount

// Kubernetes API.
inline constexpr std::size_t kListPageObjects = 500;  // kubectl's and client-go's page
inline constexpr std::size_t kListPageBytes =
    64 * kMiB;  // 500 objects below etcd's 1.5 MiB rarely pass it
inline constexpr std::size_t kWatchEventBytes =
    4 * kMiB;  // etcd refuses objects over 1.5 MiB; JSON grows
inline constexpr std::size_t kObjectsPerKind = 200'000;  // twenty times the largest cluster we test

// Postgres.
inline constexpr std::size_t kPostgresRows = 10'000;  // of one answer: slots, standbys, sessions
inline constexpr std::size_t kPostgresConnections = 200;  // held at once, of all clusters

// PgBouncer, by the metrics of a pooler: one with 500 pools takes 600 KiB.
inline constexpr std::size_t kPoolerPageBytes = 16 * kMiB;
inline constexpr std::size_t kPoolerPageSamples = 200'000;  // kPostgresRows pools of 16 metrics
// Kubelets' and others' /metrics pages.
inline constexpr std::size_t kKubeletPageBytes = 64 * kMiB;  // a hundred Pods' page takes 5 MiB
inline constexpr std::size_t kKubeletLineBytes = 64 * kKiB;  // labels of one volume: below 1 KiB
inline constexpr std::size_t kVolumeStatsBytes = 16 * kMiB;  // of the lines that we keep
inline constexpr std::size_t kVolumeStatsSamples = 100'000;  // six per mounted claim
inline constexpr std::size_t kKubelets = 5'000;              // Kubernetes' own limit of nodes
inline constexpr std::size_t kScrapeTargets = 1'000;

// Endpoints.
inline constexpr std::size_t kEndpoints =
    1'000;  // each has at most one probe under way, one canary
inline constexpr std::size_t kAddressesOfAName = 16;      // a larger answer of DNS is cut
inline constexpr std::size_t kProbeHttpBytes = 1 * kMiB;  // of a page that only has to be there

// Object stores.
inline constexpr std::size_t kS3PageBytes = 8 * kMiB;  // 1,000 keys of 1,024 bytes: 3 MiB encoded
inline constexpr std::size_t kS3RefusalBytes = 64 * kKiB;  // an error takes 500 bytes
inline constexpr int kS3Attempts = 6;  // with pauses of 0.2, 0.4, ... s a server may rest 6 s
inline constexpr std::size_t kArchiveObjects = 10'000'000;  // 160 TB of WAL segments of 16 MiB
inline constexpr std::size_t kListingPages = 50'000;        // a page has up to 1000 objects
inline constexpr std::size_t kWalSpans = 200'000;          // one per 4 GiB of WAL where all is well
inline constexpr std::size_t kWalFaults = 20'000;          // beyond them nothing is told of a WAL
inline constexpr std::size_t kPartialSegments = 10'000;    // one per promotion
inline constexpr std::size_t kTimelines = 2'000;           // each costs a request per pass
inline constexpr std::size_t kForeignNames = 20;           // examples, for people
inline constexpr std::size_t kBackupObjects = 200'000;     // files of all base backups
inline constexpr std::size_t kBackupInfoBytes = 4 * kMiB;  // holds the backup label and statistics
inline constexpr std::size_t kHistoryBytes = 1 * kMiB;     // a line per promotion
inline constexpr std::size_t kSegmentsToProve = 50'000;    // waiting for a look at their first page
inline constexpr std::size_t kFirstPageBytes =
    5 * kMiB;  // compressed: lz4 has blocks of up to 4 MiB

// Rules and queries.
inline constexpr std::size_t kStoreBytes = 64 * kMiB;  // the samples that rules look back on
inline constexpr std::size_t kOwnPageSamples = 100'000;
inline constexpr std::size_t kQuerySamples = 1'000'000;  // that one query reads, 16 bytes each

// Alertmanagers.
inline constexpr std::size_t kQueuedAlerts = 10'000;  // Prometheus' own default, per Alertmanager
inline constexpr std::size_t kAlertBatch = 256;       // Prometheus' own default
inline constexpr std::size_t kAlertmanagerBytes = 64 * kMiB;  // 20,000 alerts take 30 MiB
inline constexpr std::size_t kAlertmanagerAlerts = 100'000;
inline constexpr std::size_t kAlertmanagerPageSamples =
    100'000;                                                  // of its /metrics; 2,000 are usual
inline constexpr std::size_t kAlertmanagers = 64;             // addresses of all names together
inline constexpr std::size_t kHistoryRows = 50'000;           // transitions kept: 20 MiB on disk
inline constexpr std::size_t kUnwrittenTransitions = 10'000;  // while the disk does not take them

// HTTP server.
inline constexpr std::size_t kHttpConnections = 512;  // each costs a descriptor and two buffers
inline constexpr std::size_t kHttpHeaderBytes = 16 * kKiB;  // browsers send up to 8 KiB
inline constexpr std::size_t kHttpBodyBytes = 1 * kMiB;     // a PromQL query by POST
inline constexpr auto kHttpReadDeadline = 10s;              // of one request's head and body
inline constexpr auto kHttpWriteDeadline = 10s;  // Prometheus' own default timeout for a scrape
inline constexpr std::size_t kMetricsBodiesAlive = 2;  // the current page, and one still being sent

}  // namespace keelwatch::limits
